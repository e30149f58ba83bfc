//! The dashboard's files, for browsers: the same for everybody, so they are open; all that they show
//! comes from the API, for which the page needs the token. They are not part of the OpenAPI document,
//! which is about the API.

use std::borrow::Cow;
use std::collections::HashMap;
use std::io::Write as _;
use std::sync::{LazyLock, OnceLock};

use axum::Router;
use axum::body::Body;
use axum::http::{HeaderMap, HeaderName, HeaderValue, StatusCode, Uri, header};
use axum::response::{IntoResponse as _, Response};
use axum::routing::get;
use bytes::Bytes;
use flate2::Compression;
use flate2::write::GzEncoder;
use sha2::{Digest as _, Sha256};

use super::state::Api;
use super::{problem, remarks};
use crate::dashboard::{ASSETS, Asset};

/// The page.
const PAGE: &str = "/";
/// Everything that the page loads.
const FILES: &str = "/assets/";
const PAGE_FILE: &str = "index.html";

/// Bytes of a digest that stand in an entity tag: enough that no two files share one.
const TAG_BYTES: usize = 16;

/// The page and its files run by themselves, load from here only, and make no markup of text.
const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; \
    connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'; \
    require-trusted-types-for 'script'; trusted-types 'none'";

const HEADERS: [(HeaderName, &str); 6] = [
    (header::CONTENT_SECURITY_POLICY, POLICY),
    // Kept, and asked for again each time: after an upgrade no page runs with files of another.
    (header::CACHE_CONTROL, "no-cache"),
    (header::VARY, "accept-encoding"),
    (header::X_FRAME_OPTIONS, "DENY"),
    (HeaderName::from_static("cross-origin-opener-policy"), "same-origin"),
    (
        HeaderName::from_static("permissions-policy"),
        "camera=(), display-capture=(), geolocation=(), microphone=(), payment=(), usb=()",
    ),
];

/// A file, and what is made of it when it is first asked for.
struct Served {
    asset: &'static Asset,
    made: OnceLock<Made>,
}

/// A file in both of its forms, which have tags of their own (RFC 9110 8.8.3.3).
struct Made {
    bytes: Bytes,
    tag: HeaderValue,
    /// `None`: it would not be smaller.
    gzip: Option<(Bytes, HeaderValue)>,
}

pub(super) fn routes() -> Router<Api> {
    let files = format!("{FILES}{{*path}}");
    Router::new().route(PAGE, get(page)).route(&files, get(file))
}

/// Whether a path is one of the dashboard's, and so open to everybody.
pub(super) fn is_open(path: &str) -> bool {
    path == PAGE || path.starts_with(FILES)
}

/// Whether this is the page itself, to which links of other sites may lead.
pub(super) fn is_page(path: &str) -> bool {
    path == PAGE
}

async fn page(headers: HeaderMap) -> Response {
    served(PAGE_FILE)
        .map_or_else(|| StatusCode::NOT_FOUND.into_response(), |it| it.answer(&headers))
}

async fn file(uri: Uri, headers: HeaderMap) -> Response {
    // As it came: a path that is spelled in another way is another path, and names nothing.
    let path = uri.path().strip_prefix(FILES).filter(|path| *path != PAGE_FILE);
    match path.and_then(served) {
        Some(served) => served.answer(&headers),
        None => problem::no_such_path(uri).await.into_response(),
    }
}

fn served(path: &str) -> Option<&'static Served> {
    static ALL: LazyLock<HashMap<&str, Served>> = LazyLock::new(|| {
        let one = |asset: &'static Asset| (asset.path, Served { asset, made: OnceLock::new() });
        ASSETS.iter().map(one).collect()
    });
    ALL.get(path)
}

impl Served {
    fn answer(&'static self, request: &HeaderMap) -> Response {
        let made = self.made.get_or_init(|| Made::of(self.asset));
        let gzip = made.gzip.as_ref().filter(|_| accepts_gzip(request));
        let tag = gzip.map_or(&made.tag, |(_, tag)| tag);
        let mut response = if is_known(request, tag) {
            StatusCode::NOT_MODIFIED.into_response()
        } else {
            let bytes = gzip.map_or(&made.bytes, |(bytes, _)| bytes);
            let mut response = Response::new(Body::from(bytes.clone()));
            let content_type = HeaderValue::from_static(self.asset.content_type);
            response.headers_mut().insert(header::CONTENT_TYPE, content_type);
            if gzip.is_some() {
                let coding = HeaderValue::from_static("gzip");
                response.headers_mut().insert(header::CONTENT_ENCODING, coding);
            }
            response
        };
        let headers = response.headers_mut();
        headers.insert(header::ETAG, tag.clone());
        headers.extend(HEADERS.map(|(name, value)| (name, HeaderValue::from_static(value))));
        response
    }
}

impl Made {
    fn of(asset: &Asset) -> Self {
        let bytes = match remarks::left_out(asset.path, asset.bytes) {
            Cow::Borrowed(bytes) => Bytes::from_static(bytes),
            Cow::Owned(bytes) => bytes.into(),
        };
        let digest = Sha256::digest(&bytes);
        let hex: String = digest[..TAG_BYTES].iter().map(|byte| format!("{byte:02x}")).collect();
        let tag = |end: &str| {
            HeaderValue::try_from(format!("\"{hex}{end}\"")).expect("hexadecimal digits")
        };
        let packed = packed(&bytes).filter(|packed| packed.len() < bytes.len());
        let gzip = packed.map(|packed| (packed.into(), tag("-gzip")));
        Self { bytes, tag: tag(""), gzip }
    }
}

fn packed(bytes: &[u8]) -> Option<Vec<u8>> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::best());
    encoder.write_all(bytes).ok()?;
    encoder.finish().ok()
}

/// Whether gzip may be used (RFC 9110 12.5.3): named, or covered by `*`, and not with a weight of 0.
fn accepts_gzip(request: &HeaderMap) -> bool {
    let values = request.get_all(header::ACCEPT_ENCODING).iter();
    let items = values.filter_map(|value| value.to_str().ok()).flat_map(|text| text.split(','));
    let (mut named, mut any) = (None, None);
    for item in items {
        let mut parts = item.split(';').map(str::trim);
        let coding = parts.next().unwrap_or_default();
        let is_wanted = parts.all(has_weight);
        if ["gzip", "x-gzip"].iter().any(|name| coding.eq_ignore_ascii_case(name)) {
            named = Some(is_wanted);
        } else if coding == "*" {
            any = Some(is_wanted);
        }
    }
    named.or(any).unwrap_or(false)
}

/// Whether a parameter is a weight above 0; what cannot be read is none.
fn has_weight(parameter: &str) -> bool {
    let Some((name, value)) = parameter.split_once('=') else { return false };
    let weight = value.trim().parse::<f32>();
    name.trim().eq_ignore_ascii_case("q") && weight.is_ok_and(|weight| weight > 0.0)
}

/// Whether the client has this very form (RFC 9110 13.1.2); its tag may have come back as a weak one.
fn is_known(request: &HeaderMap, tag: &HeaderValue) -> bool {
    let values = request.get_all(header::IF_NONE_MATCH).iter();
    let mut tags = values.filter_map(|value| value.to_str().ok()).flat_map(|text| text.split(','));
    tags.any(|one| {
        let one = one.trim();
        one == "*" || one.strip_prefix("W/").unwrap_or(one).as_bytes() == tag.as_bytes()
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What a browser without anything in its cache loads, at most: a dashboard is looked at over bad
    /// connections, too.
    const BYTES_MAX: usize = 120_000;

    #[test]
    fn all_files_together_are_small() {
        let sizes = ASSETS.iter().map(|asset| {
            let made = Made::of(asset);
            made.gzip.map_or(made.bytes.len(), |(bytes, _)| bytes.len())
        });
        let total: usize = sizes.sum();
        assert!(total <= BYTES_MAX, "{total} bytes in {} files", ASSETS.len());
    }

    #[test]
    fn gzip_is_for_those_who_take_it() {
        let accepts = |texts: &[&str]| {
            let mut request = HeaderMap::new();
            for text in texts {
                let value = HeaderValue::from_str(text).expect("a value");
                request.append(header::ACCEPT_ENCODING, value);
            }
            accepts_gzip(&request)
        };
        for yes in
            ["gzip", "deflate, GZIP;q=0.001, br", "*", "br;q=1.0, *;q=0.1", "x-gzip", "gzip ; Q=1"]
        {
            assert!(accepts(&[yes]), "{yes}");
        }
        for no in
            ["", "br", "identity", "gzip;q=0", "gzip;q=0.000, *", "*;q=0", "gzip;q=many", "gzipped"]
        {
            assert!(!accepts(&[no]), "{no}");
        }
        assert!(accepts(&["br", "gzip"]) && !accepts(&["*", "gzip;q=0"]) && !accepts(&[]));
    }
}
