//! The admin API's token where none is configured: made once, kept beside the store.

use std::fs::{self, File};
use std::io::{ErrorKind, Read as _, Write as _};
use std::os::unix::fs::MetadataExt as _;
use std::path::Path;

use anyhow::Context as _;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

use crate::model::Secret;
use crate::store::owner;

/// The file in the store's directory.
pub(crate) const FILE: &str = "admin-token";

/// Random bytes of a made token: beyond guessing.
const TOKEN_BYTES: usize = 32;

/// Nobody writes a longer one by hand.
const FILE_BYTES_MAX: u64 = 4096;

/// A token, and where it is from.
#[derive(Debug)]
pub(super) struct Token {
    pub(super) secret: Secret,
    /// Nobody has seen it yet.
    pub(super) is_new: bool,
}

/// The configured token, or the kept one, or a new one that is kept from now on.
pub(super) fn configured_or_kept(
    configured: Option<Secret>,
    store: &Path,
) -> anyhow::Result<Token> {
    if let Some(secret) = configured {
        return Ok(Token { secret, is_new: false });
    }
    let path = store.join(FILE);
    let (secret, is_new) = match read(&path)? {
        Some(token) => (token, false),
        None => (make(&path)?, true),
    };
    let file = path.display();
    if is_new {
        tracing::info!(%file, "made a token for the admin API; it is in the file");
    } else {
        tracing::info!(%file, "the admin API's token is in the file");
    }
    Ok(Token { secret, is_new })
}

/// Of two equal tokens nobody could say what the one means. The check of the configuration finds
/// those it knows; the kept one only the start does.
pub(super) fn differ(token: &Secret, read_token: Option<&Secret>) -> anyhow::Result<()> {
    anyhow::ensure!(
        read_token != Some(token),
        "[admin] read_token is the admin token itself: give the readers one of their own"
    );
    Ok(())
}

/// `None`: there is none, or a start was broken off before it was written.
fn read(path: &Path) -> anyhow::Result<Option<Secret>> {
    let context = || format!("cannot read the admin API's token from {}", path.display());
    let file = match File::open(path) {
        Ok(file) => file,
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(error).with_context(context),
    };
    let mode = file.metadata().with_context(context)?.mode() & 0o077;
    if mode != 0 {
        let file = path.display();
        tracing::warn!(%file, "others can read the admin API's token; chmod 600 it");
    }
    let mut text = String::new();
    file.take(FILE_BYTES_MAX).read_to_string(&mut text).with_context(context)?;
    let token = text.trim();
    let is_sendable = token.bytes().all(|byte| byte.is_ascii_graphic());
    anyhow::ensure!(
        is_sendable,
        "{} does not hold a token: remove it, and a new one is made",
        path.display()
    );
    Ok((!token.is_empty()).then(|| Secret::new(token)))
}

fn make(path: &Path) -> anyhow::Result<Secret> {
    let mut bytes = [0; TOKEN_BYTES];
    getrandom::fill(&mut bytes).context("the system gives no random numbers")?;
    let token = URL_SAFE_NO_PAD.encode(bytes);
    let context = || format!("cannot keep the admin API's token in {}", path.display());
    // Written aside and renamed: never half a token under the real name.
    let aside = path.with_extension("new");
    let mut file = owner::create_anew(&aside).with_context(context)?;
    writeln!(file, "{token}").and_then(|()| file.sync_all()).with_context(context)?;
    fs::rename(&aside, path).with_context(context)?;
    Ok(Secret::new(token))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_is_made_once_and_only_its_owner_reads_it() {
        let folder = tempfile::TempDir::new().expect("a temporary folder");
        let first = configured_or_kept(None, folder.path()).expect("made");
        assert!(first.secret.reveal().len() >= 43 && first.is_new);
        let mode = fs::metadata(folder.path().join(FILE)).expect("kept").mode();
        assert_eq!(mode & 0o777, 0o600);
        let kept = configured_or_kept(None, folder.path()).expect("kept");
        assert!(!kept.is_new && kept.secret == first.secret);
        fs::write(folder.path().join(FILE), "").expect("writable");
        assert_ne!(
            configured_or_kept(None, folder.path()).expect("made again").secret,
            first.secret
        );
    }

    #[test]
    fn a_configured_token_goes_first() {
        let folder = tempfile::TempDir::new().expect("a temporary folder");
        let token = configured_or_kept(Some(Secret::new("mine")), folder.path()).expect("given");
        assert_eq!((token.secret.reveal(), token.is_new), ("mine", false));
        assert!(!folder.path().join(FILE).exists());
    }
}
