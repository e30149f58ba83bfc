//! The admin API: what operators, scripts and scrapers ask of a running sidehook.
//!
//! Its own listener, apart from the proxy's. A request passes `listen` (bounded connections,
//! header timeout), `guard` (Host and Origin against DNS rebinding and cross-site use, then the
//! token, but for the probes and the files of the dashboard), and the router here; the handlers
//! stand one file per resource and read the store on blocking threads, a bounded number at a time.
//! Every error is a `problem`.

mod auth;
mod captured;
mod charts;
mod control;
mod dashboard;
mod definition;
mod degraded;
mod deliveries;
mod events;
mod export;
mod fields;
mod guard;
mod history;
mod hosts;
mod keys;
mod link;
mod links;
mod listen;
mod manage;
mod openapi;
mod params;
mod payload;
mod problem;
mod queries;
mod receivers;
mod recoveries;
mod registry;
mod reload;
mod remarks;
mod replay;
mod rules;
mod rules_test;
mod schemas;
mod settings;
mod standing;
mod state;
mod status;
mod stream;
mod stream_data;
mod test_event;
mod views;
mod webhook_body;
mod webhook_view;
mod webhooks;

pub use control::{
    ConfigProblem, ConfigStatus, Control, ProxyHealth, ReloadFailed, Reloaded, Reloading,
};
pub use export::story_line;
pub use listen::{Admin, StartError};
pub use problem::FieldError;
pub use registry::{ReadKeys, ReadWebhook, Registry};
pub use rules_test::TestedRules;
pub use settings::Settings;
pub use state::State;

use axum::Router;
use axum::middleware::from_fn_with_state;
use utoipa::openapi::OpenApi;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use self::state::Api;

/// The OpenAPI document of the admin API and of what receivers get.
pub fn openapi() -> OpenApi {
    openapi::complete(described().into_openapi())
}

/// Every route of the API with its description: there is no other way to add one. (The files of the
/// dashboard are for browsers, and no part of the API.)
fn described() -> OpenApiRouter<Api> {
    OpenApiRouter::with_openapi(openapi::frame())
        .routes(routes!(status::livez))
        .routes(routes!(status::readyz))
        .routes(routes!(status::metrics))
        .routes(routes!(status::status))
        .routes(routes!(charts::series))
        .routes(routes!(reload::config))
        .routes(routes!(reload::reload))
        .routes(routes!(openapi::document))
        .routes(routes!(stream::follow))
        .routes(routes!(events::list))
        .routes(routes!(events::one))
        .routes(routes!(deliveries::list))
        .routes(routes!(deliveries::one))
        .routes(routes!(deliveries::retry))
        .routes(routes!(replay::cancel))
        .routes(routes!(payload::payload))
        .routes(routes!(replay::replay))
        .routes(routes!(history::one))
        .routes(routes!(rules::list))
        .routes(routes!(rules_test::test))
        .routes(routes!(webhooks::list, manage::create))
        .routes(routes!(webhooks::one, webhooks::change, manage::delete))
        .routes(routes!(manage::rotate_secret))
        .routes(routes!(test_event::test))
        .routes(routes!(recoveries::recover))
        .routes(routes!(recoveries::list))
        .routes(routes!(recoveries::one))
        .routes(routes!(recoveries::stop))
        .routes(routes!(deliveries::of_webhook))
}

fn router(api: Api) -> Router {
    let (routes, _) = described().split_for_parts();
    routes
        .merge(dashboard::routes())
        .fallback(problem::no_such_path)
        .method_not_allowed_fallback(problem::no_such_method)
        .layer(from_fn_with_state(api.clone(), guard::guard))
        .with_state(api)
}
