//! Objects whose members are made when they are read.

use std::fmt;
use std::sync::Arc;

use minijinja::value::{Enumerator, Object};

use super::Value;

/// A value with named members, each made when it is asked for.
pub trait Record: fmt::Debug + Send + Sync + 'static {
    /// The members, in their order; those that [`Record::member`] does not have are left out.
    fn names(&self) -> &'static [&'static str];

    /// One member; `None`: there is none.
    fn member(&self, name: &str) -> Option<Value>;
}

/// A record as a value of the language.
pub fn record(record: impl Record) -> Value {
    Value::from_object(AsObject(record))
}

#[derive(Debug)]
struct AsObject<R>(R);

impl<R: Record> Object for AsObject<R> {
    fn get_value(self: &Arc<Self>, key: &Value) -> Option<Value> {
        self.get_value_by_str(key.as_str()?)
    }

    fn get_value_by_str(self: &Arc<Self>, key: &str) -> Option<Value> {
        self.0.names().contains(&key).then(|| self.0.member(key)).flatten()
    }

    fn enumerate(self: &Arc<Self>) -> Enumerator {
        let names = self.0.names().iter();
        let present = names.filter(|name| self.0.member(name).is_some());
        Enumerator::Values(present.map(|&name| Value::from(name)).collect())
    }
}
