//! The demo's upstream: a small task API that knows nothing of webhooks.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use axum::Json;
use axum::Router;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use serde::{Deserialize, Serialize};

/// A task, as the API shows it.
#[derive(Clone, Debug, Serialize)]
struct Task {
    id: u64,
    title: String,
    done: bool,
}

/// What a client may write of a task.
#[derive(Debug, Deserialize)]
struct Draft {
    title: Option<String>,
    done: Option<bool>,
}

type Tasks = Arc<Mutex<BTreeMap<u64, Task>>>;

/// Serves the API until its runtime ends.
///
/// # Errors
/// When the address cannot be bound.
pub(super) async fn start(address: SocketAddr) -> std::io::Result<SocketAddr> {
    let listener = tokio::net::TcpListener::bind(address).await?;
    let address = listener.local_addr()?;
    let one = get(read).patch(change).delete(remove);
    let router = Router::new()
        .route("/api/v1/tasks", get(list).post(create))
        .route("/api/v1/tasks/{id}", one)
        .with_state(Tasks::default());
    tokio::spawn(async move { axum::serve(listener, router).await });
    Ok(address)
}

fn locked(tasks: &Tasks) -> MutexGuard<'_, BTreeMap<u64, Task>> {
    tasks.lock().unwrap_or_else(PoisonError::into_inner)
}

async fn list(State(tasks): State<Tasks>) -> Json<Vec<Task>> {
    Json(locked(&tasks).values().cloned().collect())
}

async fn create(State(tasks): State<Tasks>, Json(draft): Json<Draft>) -> Response {
    let Some(title) = draft.title else {
        let problem = serde_json::json!({"error": "a task needs a title"});
        return (StatusCode::UNPROCESSABLE_ENTITY, Json(problem)).into_response();
    };
    let mut tasks = locked(&tasks);
    let id = tasks.keys().last().map_or(1, |last| last + 1);
    let task = Task { id, title, done: draft.done.unwrap_or(false) };
    tasks.insert(id, task.clone());
    (StatusCode::CREATED, Json(task)).into_response()
}

async fn read(State(tasks): State<Tasks>, Path(id): Path<u64>) -> Response {
    locked(&tasks).get(&id).map_or_else(not_found, |task| Json(task).into_response())
}

async fn change(
    State(tasks): State<Tasks>,
    Path(id): Path<u64>,
    Json(draft): Json<Draft>,
) -> Response {
    locked(&tasks).get_mut(&id).map_or_else(not_found, |task| {
        task.title = draft.title.unwrap_or_else(|| task.title.clone());
        task.done = draft.done.unwrap_or(task.done);
        Json(&*task).into_response()
    })
}

async fn remove(State(tasks): State<Tasks>, Path(id): Path<u64>) -> Response {
    locked(&tasks).remove(&id).map_or_else(not_found, |_| StatusCode::NO_CONTENT.into_response())
}

fn not_found() -> Response {
    (StatusCode::NOT_FOUND, Json(serde_json::json!({"error": "no such task"}))).into_response()
}
