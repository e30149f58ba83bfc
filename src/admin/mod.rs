//! The admin API: what operators, scripts and scrapers ask of a running sidehook.
//!
//! Its own listener, apart from the proxy's. A request passes `listen` (bounded connections,
//! header timeout), `guard` (Host and Origin against DNS rebinding and cross-site use, then the
//! token), and the router here; the handlers stand one file per resource and read the store on
//! blocking threads, a bounded number at a time. Every error is a `problem`.

mod auth;
mod control;
mod deliveries;
mod events;
mod guard;
mod history;
mod hosts;
mod listen;
mod params;
mod problem;
mod registry;
mod reload;
mod rules;
mod settings;
mod state;
mod status;
mod views;
mod webhook_view;
mod webhooks;

pub use control::{
    ConfigProblem, ConfigStatus, Control, ProxyHealth, ReloadFailed, Reloaded, Reloading,
};
pub use listen::{Admin, StartError};
pub use problem::FieldError;
pub use registry::{ReadKeys, ReadWebhook, Registry};
pub use settings::Settings;
pub use state::State;

use axum::Router;
use axum::middleware::from_fn_with_state;
use axum::routing::{get, post};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use self::state::Api;

fn router(api: Api) -> Router {
    let (described, _) = OpenApiRouter::<Api>::new()
        .routes(routes!(status::livez))
        .routes(routes!(reload::reload))
        .routes(routes!(reload::config))
        .split_for_parts();
    described
        .route("/readyz", get(status::readyz))
        .route("/metrics", get(status::metrics))
        .route("/v1/status", get(status::status))
        .route("/v1/events", get(events::list))
        .route("/v1/events/{id}", get(events::one))
        .route("/v1/deliveries", get(deliveries::list))
        .route("/v1/deliveries/{id}", get(deliveries::one))
        .route("/v1/deliveries/{id}/retry", post(deliveries::retry))
        .route("/v1/history/{id}", get(history::one))
        .route("/v1/rules", get(rules::list))
        .route("/v1/webhooks", get(webhooks::list))
        .route("/v1/webhooks/{id}", get(webhooks::one).patch(webhooks::change))
        .route("/v1/webhooks/{id}/deliveries", get(deliveries::of_webhook))
        .fallback(problem::no_such_path)
        .method_not_allowed_fallback(problem::no_such_method)
        .layer(from_fn_with_state(api.clone(), guard::guard))
        .with_state(api)
}
