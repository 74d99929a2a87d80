//! Files that may not grow, and file systems that are full: writes end in the middle.

use std::path::Path;

use tokio::process::Command;

use super::subject::{Harm, Lived, Subject, Wrapper};
use super::{ChaosArgs, Tally, progress};

/// Limits, in blocks of the shell: a store begins with some dozens, and grows as edits come that bring so much along.
const BLOCKS: std::ops::Range<u64> = 2..700;
const PADDING: usize = 8 << 10;

/// The daemon's files may not grow over a limit: the write that crosses it is done in part, the next fails.
pub(super) async fn short_writes(args: &ChaosArgs) -> anyhow::Result<Tally> {
    let mut tally = Tally::default();
    for blocks in BLOCKS.step_by(7 * args.every.max(1)) {
        // The signal is to be an error.
        let script = format!("trap '' XFSZ; ulimit -f {blocks}; exec \"$@\"");
        let wrapper = Wrapper(["sh", "-c", &script, "sh"].map(str::to_owned).to_vec());
        let dir = tempfile::Builder::new().prefix("sync-daemon-chaos-").tempdir()?;
        let lived = Subject::new(dir.path())?.padded(PADDING).live(&wrapper, args.edits, Harm::Fails).await;
        tally.add(&format!("files of at most {blocks} blocks"), lived);
    }
    Ok(tally)
}

/// The daemon's directory is a file system that fills up; afterwards there is room again.
pub(super) async fn disk_full(args: &ChaosArgs) -> anyhow::Result<Tally> {
    let mut tally = Tally::default();
    for kib in (256..3_000).step_by(256 * args.every.max(1)) {
        let dir = tempfile::Builder::new().prefix("sync-daemon-chaos-").tempdir()?;
        if !mount(dir.path(), &format!("size={kib}k")).await? {
            return Ok(Tally::skipped("a file system may not be mounted here"));
        }
        progress(args, &format!("a disk of {kib} KiB"));
        let lived = fill(dir.path()).await;
        let unmounted = Command::new("umount").arg("-l").arg(dir.path()).status().await?;
        tally.add(&format!("a disk of {kib} KiB"), lived);
        anyhow::ensure!(unmounted.success(), "cannot unmount {}", dir.path().display());
    }
    Ok(tally)
}

/// Writes until the disk is full, makes it larger, and looks what is there.
async fn fill(dir: &Path) -> anyhow::Result<Lived> {
    let mut subject = Subject::new(dir)?.padded(16 << 10);
    let lived = subject.suffer(&Wrapper::default(), 10_000, Harm::Fails).await?;
    anyhow::ensure!(mount(dir, "remount,size=256m").await?, "cannot make the disk larger");
    subject.check().await?;
    Ok(lived)
}

async fn mount(dir: &Path, options: &str) -> anyhow::Result<bool> {
    let mut command = Command::new("mount");
    command.args(["-t", "tmpfs", "-o", options, "tmpfs"]).arg(dir);
    command.stderr(std::process::Stdio::null());
    Ok(command.status().await.is_ok_and(|status| status.success()))
}
