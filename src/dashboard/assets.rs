//! The table of the files. A line for each, so that nothing that lies in the folder by accident is
//! served to everybody; the test below says which line is missing.

/// One file.
#[derive(Debug)]
pub struct Asset {
    /// Its path below `web/`, with `/`.
    pub path: &'static str,
    /// Its media type.
    pub content_type: &'static str,
    /// Its content.
    pub bytes: &'static [u8],
}

macro_rules! assets {
    ($($path:literal)*) => {
        &[$(Asset {
            path: $path,
            content_type: content_type($path),
            bytes: include_bytes!(concat!("web/", $path)),
        }),*]
    };
}

/// Every file; `index.html` is the page, the others are what it loads.
pub const ASSETS: &[Asset] = assets! {
    "index.html"
    "api.mjs"
    "app.mjs"
    "clock.mjs"
    "icon.svg"
    "lib.mjs"
    "live.mjs"
    "router.mjs"
    "session.mjs"
    "status.mjs"
    "stream_place.mjs"
    "style.css"
    "pages/configuration.css"
    "pages/configuration.mjs"
    "pages/configuration_toml.mjs"
    "pages/event.css"
    "pages/event.mjs"
    "pages/event_attempts.mjs"
    "pages/event_call.mjs"
    "pages/event_delivery.mjs"
    "pages/event_payload.mjs"
    "pages/event_replay.mjs"
    "pages/events.css"
    "pages/events.mjs"
    "pages/events_feed.mjs"
    "pages/events_filter.mjs"
    "pages/events_filters.mjs"
    "pages/offered_token.mjs"
    "pages/overview.css"
    "pages/overview.mjs"
    "pages/overview_data.mjs"
    "pages/overview_lists.mjs"
    "pages/overview_tiles.mjs"
    "pages/rules.css"
    "pages/rules.mjs"
    "pages/series.mjs"
    "pages/sign_in.mjs"
    "pages/tester.mjs"
    "pages/tester_call.mjs"
    "pages/tester_parse.mjs"
    "pages/webhook.mjs"
    "pages/webhook_actions.mjs"
    "pages/webhook_deliveries.mjs"
    "pages/webhook_draft.mjs"
    "pages/webhook_facts.mjs"
    "pages/webhook_fields.mjs"
    "pages/webhook_form.mjs"
    "pages/webhook_health.mjs"
    "pages/webhook_rank.mjs"
    "pages/webhook_recover.mjs"
    "pages/webhook_secret.mjs"
    "pages/webhook_test.mjs"
    "pages/webhooks.css"
    "pages/webhooks.mjs"
    "ui/badge.mjs"
    "ui/banner.mjs"
    "ui/body.mjs"
    "ui/chart.css"
    "ui/chart.mjs"
    "ui/chart_shape.mjs"
    "ui/chart_time.mjs"
    "ui/copy.mjs"
    "ui/curl.mjs"
    "ui/dialog.mjs"
    "ui/form.mjs"
    "ui/json.mjs"
    "ui/json_text.mjs"
    "ui/list.css"
    "ui/list.mjs"
    "ui/load.mjs"
    "ui/notice.mjs"
    "ui/spark.mjs"
    "ui/text.mjs"
    "vendor/hooks.mjs"
    "vendor/htm.mjs"
    "vendor/preact.mjs"
};

/// By the name's end; a file of another kind does not compile.
const fn content_type(path: &str) -> &'static str {
    match path.as_bytes() {
        [.., b'.', b'h', b't', b'm', b'l'] => "text/html; charset=utf-8",
        [.., b'.', b'm', b'j', b's'] => "text/javascript; charset=utf-8",
        [.., b'.', b'c', b's', b's'] => "text/css; charset=utf-8",
        [.., b'.', b's', b'v', b'g'] => "image/svg+xml; charset=utf-8",
        _ => panic!("a kind of file that the dashboard has not had yet: add its media type"),
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;
    use std::fs;
    use std::path::Path;

    use super::*;

    /// What is about the files, and is not one of them.
    const NOT_SERVED: [&str; 4] = ["LICENSE", ".md", ".txt", ".d.mts"];

    fn collect(root: &Path, folder: &Path, found: &mut BTreeSet<String>) {
        for entry in fs::read_dir(folder).expect("a folder") {
            let path = entry.expect("readable").path();
            if path.is_dir() {
                collect(root, &path, found);
                continue;
            }
            let path = path.strip_prefix(root).expect("below it").to_str().expect("a plain name");
            if !NOT_SERVED.iter().any(|part| path.contains(part)) {
                found.insert(path.to_owned());
            }
        }
    }

    #[test]
    fn the_table_is_the_folder() {
        let root = Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/src/dashboard/web"));
        let mut there = BTreeSet::new();
        collect(root, root, &mut there);
        let listed: BTreeSet<String> = ASSETS.iter().map(|asset| asset.path.to_owned()).collect();
        assert_eq!(listed.len(), ASSETS.len(), "a line stands twice");
        let missing: Vec<&String> = there.difference(&listed).collect();
        assert!(missing.is_empty(), "not in ASSETS of src/dashboard/assets.rs: {missing:#?}");
    }
}
