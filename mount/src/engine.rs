//! The thread that owns the volume. A volume belongs to one thread, so requests come to it as jobs through a channel.

use std::sync::mpsc::{self, Receiver, RecvTimeoutError, Sender};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use xfskit::{Error, Result, Volume};

use crate::Opened;
use crate::tree::Tree;

/// How long a change may wait before it is made durable unasked, as Linux does it.
const SYNC_AFTER: Duration = Duration::from_secs(30);

/// Something to do with the volume.
pub(crate) type Job = Box<dyn FnOnce(&mut Tree) + Send>;

/// The thread, while it runs.
pub(crate) struct Engine {
    sender: Sender<Job>,
    thread: JoinHandle<Result<()>>,
}

impl Engine {
    /// Opens the volume in a thread of its own; returns when it is open, with what is to be said about it.
    ///
    /// # Errors
    /// Those of opening it.
    pub(crate) fn start(open: impl FnOnce() -> Result<Volume> + Send + 'static) -> Result<(Self, Opened)> {
        let (sender, jobs) = mpsc::channel::<Job>();
        let (tell, opened) = mpsc::channel();
        let thread = thread::spawn(move || {
            let volume = match open() {
                Ok(volume) => volume,
                Err(error) => {
                    let _ = tell.send(Err(error));
                    return Ok(());
                }
            };
            let read_only = volume.read_only_reason().map(str::to_owned);
            let _ = tell.send(Ok(Opened { warnings: volume.warnings().to_vec(), read_only }));
            work(Tree::new(volume), &jobs)
        });
        let opened = opened.recv().unwrap_or_else(|_| Err(gone()))?;
        Ok((Self { sender, thread }, opened))
    }

    /// A way to send jobs.
    pub(crate) fn sender(&self) -> Sender<Job> {
        self.sender.clone()
    }

    /// Closes the volume when all jobs are done.
    ///
    /// # Errors
    /// Those of making it durable.
    pub(crate) fn stop(self) -> Result<()> {
        let _ = self.sender.send(Box::new(Tree::finish));
        self.thread.join().unwrap_or_else(|_| Err(gone()))
    }
}

fn gone() -> Error {
    Error::Shutdown { reason: "the thread that owned the volume failed".into() }
}

/// Does jobs until the tree is finished with, and closes the volume.
fn work(mut tree: Tree, jobs: &Receiver<Job>) -> Result<()> {
    let mut due = Instant::now() + SYNC_AFTER;
    while !tree.is_finished() {
        match jobs.recv_timeout(due.saturating_duration_since(Instant::now())) {
            Ok(job) => job(&mut tree),
            Err(RecvTimeoutError::Timeout) => {}
            Err(RecvTimeoutError::Disconnected) => break,
        }
        if Instant::now() >= due {
            // A failure comes again with the next fsync, where somebody listens.
            let _ = tree.sync();
            due = Instant::now() + SYNC_AFTER;
        }
    }
    tree.close()
}
