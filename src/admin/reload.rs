//! `/v1/config` and `/v1/reload`: what is in force, and reading it again.

use axum::extract::State;
use axum::http::StatusCode;
use axum::response::Response;
use serde::Serialize;

use super::control::ConfigProblem;
use super::openapi::{InvalidConfiguration, NoMembers};
use super::params::{NoBody, Params};
use super::problem::{Problem, json};
use super::state::Api;
use crate::model::Timestamp;

/// The configuration in force, and what is wrong with the one that was read last.
#[derive(Serialize, utoipa::ToSchema)]
pub(super) struct ConfigView {
    /// 1 at the start, one more with each reload that changed something.
    #[schema(minimum = 1)]
    generation: u64,
    /// When what is in force was read.
    loaded_at: Timestamp,
    /// Why what was read last is not in force; empty when it is.
    problems: Vec<ConfigProblem>,
    /// What is in force, as TOML, secrets masked.
    effective: String,
    /// What of the file waits for a restart, such as `[proxy] listen`.
    needs_restart: Vec<String>,
}

/// A configuration that is in force now.
#[derive(Serialize, utoipa::ToSchema)]
pub(super) struct ReloadedView {
    /// As before when nothing had changed.
    #[schema(minimum = 1)]
    generation: u64,
    /// What of the file waits for a restart, such as `[proxy] listen`.
    needs_restart: Vec<String>,
}

/// Tells what configuration is in force.
///
/// And what is wrong with the one that was read last, where it was refused.
#[utoipa::path(
    get,
    path = "/v1/config",
    operation_id = "getConfig",
    tag = "status",
    responses((status = 200, description = "What is in force.", body = ConfigView))
)]
pub(super) async fn config(State(api): State<Api>, params: Params) -> Result<Response, Problem> {
    params.finish()?;
    let config = api.state.control.config();
    let view = ConfigView {
        generation: config.generation,
        loaded_at: config.loaded_at,
        problems: config.problems,
        effective: config.effective,
        needs_restart: config.needs_restart,
    };
    Ok(json(StatusCode::OK, &view))
}

/// Reads the configuration again.
///
/// And puts it in force: all of it, or nothing where it has mistakes.
#[utoipa::path(
    post,
    path = "/v1/reload",
    operation_id = "reloadConfig",
    tag = "status",
    request_body = Option<NoMembers>,
    responses(
        (status = 200, description = "It is in force.", body = ReloadedView),
        (status = 422, response = InvalidConfiguration),
    )
)]
pub(super) async fn reload(
    State(api): State<Api>,
    params: Params,
    _: NoBody,
) -> Result<Response, Problem> {
    params.finish()?;
    match api.state.control.reload().await {
        Ok(reloaded) => {
            let (generation, needs_restart) = (reloaded.generation, reloaded.needs_restart);
            Ok(json(StatusCode::OK, &ReloadedView { generation, needs_restart }))
        }
        Err(failed) => Err(Problem::of_config(failed.problems)),
    }
}
