//! (skeleton)
use crate::config::Config;
/// App.
#[derive(Debug)]
pub struct App;
impl App {
    /// x
    pub fn start(_config: Config) -> anyhow::Result<Self> {
        anyhow::bail!("not yet")
    }
    /// x
    pub fn wait_for_signal(&self) -> anyhow::Result<()> {
        Ok(())
    }
    /// x
    pub fn stop(self) {}
}
