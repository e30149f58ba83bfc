//! What an attempt came to.

use crate::model::{Failure, Outcome, Reply};

/// Any 2xx is success; everything else is a failure with its type, a redirect included.
pub(super) fn classify(sent: Result<Reply, (Failure, Option<Reply>)>) -> Outcome {
    match sent {
        Ok(reply) if (200..300).contains(&reply.status) => Outcome::Accepted { reply },
        Ok(reply) => Outcome::Failed {
            failure: Failure::Rejected { status: reply.status },
            reply: Some(reply),
        },
        Err((failure, reply)) => Outcome::Failed { failure, reply },
    }
}

/// The outcome's name in `sidehook_attempts_total{outcome}`.
pub(super) const fn name(outcome: &Outcome) -> &'static str {
    match outcome {
        Outcome::Accepted { .. } => "delivered",
        Outcome::Failed { failure, .. } => match failure {
            Failure::Rejected { .. } => "rejected",
            Failure::TimedOut { .. } => "timeout",
            Failure::Refused { .. } => "refused",
            Failure::Unreachable { .. } => "unreachable",
            Failure::Tls { .. } => "tls",
            Failure::Broken { .. } => "broken",
            Failure::ProxyUnreachable { .. }
            | Failure::ProxyRefused { .. }
            | Failure::ProxyBroken { .. } => "proxy",
            Failure::SourceAddress { .. } | Failure::Unrenderable { .. } => "error",
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{FailurePhase, GuardReason, TlsFailure};

    #[test]
    fn outcomes_are_the_label_values_of_the_metrics_each_of_them() {
        let detail = String::new;
        let (phase, address) = (FailurePhase::Connect, detail());
        let failures = [
            Failure::TimedOut { phase, after_ms: 1 },
            Failure::Refused { reason: GuardReason::Denied, address: None },
            Failure::Unreachable { phase, detail: detail() },
            Failure::Tls { cause: TlsFailure::Expired, detail: detail() },
            Failure::Broken { phase, detail: detail() },
            Failure::ProxyBroken { detail: detail() },
            Failure::SourceAddress { address, detail: detail() },
        ];
        let failed = failures.map(|failure| Outcome::Failed { failure, reply: None });
        let reply = |status| classify(Ok(Reply { status, ..Reply::default() }));
        let outcomes = [reply(200), reply(500)].into_iter().chain(failed);
        let mut names: Vec<&str> = outcomes.map(|outcome| name(&outcome)).collect();
        let mut known = crate::telemetry::OUTCOMES;
        names.sort_unstable();
        known.sort_unstable();
        assert_eq!(names, known);
    }

    #[test]
    fn only_a_whole_2xx_is_success() {
        let reply = |status| Reply { status, ..Reply::default() };
        for status in [200, 201, 204, 226, 299] {
            assert_eq!(name(&classify(Ok(reply(status)))), "delivered", "{status}");
        }
        for status in [301, 302, 304, 307, 400, 404, 410, 429, 500, 503, 600] {
            let outcome = classify(Ok(reply(status)));
            assert_eq!(outcome.failure(), Some(&Failure::Rejected { status }));
            assert_eq!(outcome.reply(), Some(&reply(status)));
        }
        let broken = Failure::Broken { phase: FailurePhase::Body, detail: "reset".to_owned() };
        assert_eq!(name(&classify(Err((broken, Some(reply(200)))))), "broken");
    }
}
