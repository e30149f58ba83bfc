//! The delivery half: from the store, or straight through the way out, to a receiver.

mod egress;
