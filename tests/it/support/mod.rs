//! Fixtures shared by the tests.

pub(crate) mod receiver;
