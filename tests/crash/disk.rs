//! A disk whose power can be cut: an ext4 file system on a loop device, shut down by its own
//! ioctl without flushing its log, so that everything not synced is gone at the next mount.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// EXT4_IOC_SHUTDOWN with EXT4_GOING_FLAGS_NOLOGFLUSH; perl-base is part of every Debian.
const SHUT_DOWN: &str =
    "open(F, '<', $ARGV[0]) or die; my $f = pack('L', 2); ioctl(F, 0x8004587d, $f) or die $!";

pub(crate) struct LoopDisk {
    folder: tempfile::TempDir,
    mount_point: PathBuf,
}

impl LoopDisk {
    /// A formatted image of this many MiB; `None`, said aloud, where the machine has no root
    /// rights or no loop devices.
    pub(crate) fn create(mebibytes: u64) -> Option<Self> {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let mount_point = folder.path().join("disk");
        std::fs::create_dir(&mount_point).expect("writable folder");
        let image = std::fs::File::create(folder.path().join("image")).expect("writable folder");
        image.set_len(mebibytes << 20).expect("sparse file");
        let disk = Self { folder, mount_point };
        if disk.try_run("mkfs.ext4", &["-q", "-F", &disk.image()]) && disk.try_mount() {
            disk.unmount();
            return Some(disk);
        }
        println!("SKIPPED: a power cut needs root, mkfs.ext4 and loop devices");
        None
    }

    pub(crate) fn path(&self) -> &Path {
        &self.mount_point
    }

    pub(crate) fn format(&self) {
        self.run("mkfs.ext4", &["-q", "-F", &self.image()]);
    }

    pub(crate) fn mount(&self) {
        assert!(self.try_mount(), "mounting the image failed");
    }

    pub(crate) fn unmount(&self) {
        self.run("umount", &[&self.mount_point.to_string_lossy()]);
    }

    /// Nothing reaches the disk from here on, and what was not synced is forgotten.
    pub(crate) fn cut_power(&self) {
        self.run("perl", &["-e", SHUT_DOWN, &self.mount_point.to_string_lossy()]);
    }

    fn image(&self) -> String {
        self.folder.path().join("image").to_string_lossy().into_owned()
    }

    fn try_mount(&self) -> bool {
        self.try_run("mount", &["-o", "loop", &self.image(), &self.mount_point.to_string_lossy()])
    }

    fn run(&self, program: &str, arguments: &[&str]) {
        assert!(self.try_run(program, arguments), "{program} {arguments:?} failed");
    }

    fn try_run(&self, program: &str, arguments: &[&str]) -> bool {
        Command::new(program)
            .args(arguments)
            .env("PATH", "/usr/sbin:/usr/bin:/sbin:/bin")
            .stderr(Stdio::null())
            .status()
            .is_ok_and(|status| status.success())
    }
}

impl Drop for LoopDisk {
    fn drop(&mut self) {
        self.try_run("umount", &["-l", &self.mount_point.to_string_lossy()]);
    }
}
