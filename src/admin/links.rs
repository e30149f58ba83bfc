//! How one call leads to the next, for the OpenAPI document: what its answer holds is what another
//! call takes.

use utoipa::openapi::link::Link;
use utoipa::openapi::path::{HttpMethod, PathItem};
use utoipa::openapi::{OpenApi, RefOr};

/// Path, method and status of an answer; where the id stands in it; the calls that take the id.
const LINKS: [(&str, HttpMethod, &str, &str, &[&str]); 6] = [
    (
        "/v1/webhooks",
        HttpMethod::Post,
        "201",
        "$response.body#/id",
        &[
            "getWebhook",
            "changeWebhook",
            "testWebhook",
            "rotateSecret",
            "recoverWebhook",
            "listDeliveriesOfWebhook",
            "deleteWebhook",
        ],
    ),
    (
        "/v1/webhooks/{id}",
        HttpMethod::Patch,
        "200",
        "$response.body#/id",
        &["getWebhook", "deleteWebhook"],
    ),
    (
        "/v1/webhooks/{id}/test",
        HttpMethod::Post,
        "200",
        "$response.body#/delivery_id",
        &["getDelivery", "getPayload", "retryDelivery", "cancelDelivery"],
    ),
    (
        "/v1/webhooks/{id}/test",
        HttpMethod::Post,
        "200",
        "$response.body#/id",
        &["getEvent", "replayEvent", "find"],
    ),
    (
        "/v1/webhooks/{id}/recover",
        HttpMethod::Post,
        "202",
        "$response.body#/id",
        &["getRecovery", "stopRecovery"],
    ),
    ("/v1/events/{id}", HttpMethod::Get, "200", "$response.body#/id", &["replayEvent", "find"]),
];

/// Writes them into the document.
pub(super) fn add(document: &mut OpenApi) {
    for (path, method, status, id, operations) in LINKS {
        let item = document.paths.paths.get_mut(path).expect("a path of the document");
        let operation = operation(item, &method).expect("an operation of the document");
        let answer = operation.responses.responses.get_mut(status);
        let Some(RefOr::T(answer)) = answer else { unreachable!("an answer of its own") };
        for name in operations {
            let link = Link::builder().operation_id(*name).parameter("id", id).build();
            answer.links.insert((*name).to_owned(), link.into());
        }
    }
}

fn operation<'i>(
    item: &'i mut PathItem,
    method: &HttpMethod,
) -> Option<&'i mut utoipa::openapi::path::Operation> {
    match method {
        HttpMethod::Get => item.get.as_mut(),
        HttpMethod::Post => item.post.as_mut(),
        HttpMethod::Patch => item.patch.as_mut(),
        _ => None,
    }
}
