//! The variables of expressions (contract 4). Bodies are decoded and parsed only when they are read.

use std::sync::Arc;

use crate::expr::Scope;
use crate::model::{DeliveryId, Event, Exchange, RuleRef, Timestamp, Webhook};

/// What `when` and `subject` see: the call with all its headers but the redacted ones.
/// `webhook` and `id` are undefined here.
pub fn call_scope(rule: &RuleRef, time: Timestamp, exchange: &Arc<Exchange>) -> Scope {
    let _ = (rule, time, exchange);
    Scope::UNDEFINED
}

/// What formats see: what was kept of the call, the delivery's id and its webhook.
pub fn delivery_scope(event: &Arc<Event>, delivery: DeliveryId, webhook: &Webhook) -> Scope {
    let _ = (event, delivery, webhook);
    Scope::UNDEFINED
}
