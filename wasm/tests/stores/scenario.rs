//! What is done to a volume, whatever it lives on.

use std::collections::BTreeMap;

use xfskit::device::{BlockDevice, DeviceError};
use xfskit::mkfs::FormatOptions;
use xfskit::volume::{Follow, Namespace, OpenOptions, SetMode, Timestamp};
use xfskit::{Error, Result, Volume};
use xfskit_tests::ops::{Bytes, Generator, Limits, Op};
use xfskit_tests::rng::{Rng, pattern};
use xfskit_tests::session::{apply, new_inode};
use xfskit_tests::tree::from_volume;
use xfskit_wasm::store::memory::SparseMemory;
use xfskit_wasm::store::shared::Shared;

use crate::place::{LEN_BYTES, Memory, Place, boxed, trying};

/// A volume and what it lives on.
pub(crate) struct Run<'a, P> {
    place: &'a mut P,
    volume: Option<Volume>,
    rng: Rng,
    clock: i64,
}

/// Files whose contents a flush has promised.
type Promised = BTreeMap<Vec<u8>, Vec<u8>>;

impl<'a, P: Place> Run<'a, P> {
    /// A fresh volume.
    pub(crate) async fn format(place: &'a mut P, seed: u64) -> Self {
        let device = place.open().await;
        let mut options = FormatOptions::new(uuid::Uuid::from_u128(7), Timestamp::default(), 1);
        options.small = true;
        // A short log, so that blocks go in place all the time.
        options.log_fsblocks = Some(512);
        let made = trying(place, || Volume::format(boxed(&device), &options).map(drop)).await;
        made.expect("make a volume");
        place.durable().await;
        Self::on(place, device, seed).await
    }

    /// What is there.
    pub(crate) async fn open(place: &'a mut P, seed: u64) -> Self {
        let device = place.open().await;
        Self::on(place, device, seed).await
    }

    async fn on(place: &'a mut P, device: Shared, seed: u64) -> Self {
        let mut run = Self { place, volume: None, rng: Rng::named(seed, "run"), clock: 0 };
        run.mount(&device).await;
        run
    }

    async fn mount(&mut self, device: &Shared) {
        let mut options = OpenOptions::default();
        // Little, so that data is written back in the middle of operations.
        options.dirty_bytes = 1 << 20;
        let opened = trying(self.place, || Volume::open(boxed(device), &options)).await;
        self.place.settle(&mut self.rng).await;
        let volume = opened.expect("open the volume");
        assert_eq!(volume.read_only_reason(), None);
        self.volume = Some(volume);
    }

    /// Does something that may fail.
    async fn try_act<T>(&mut self, mut operation: impl FnMut(&mut Volume) -> Result<T>) -> Result<T> {
        self.clock += 1;
        let volume = self.volume.as_mut().expect("open between operations");
        volume.set_time(Timestamp { seconds: 1_700_000_000 + self.clock, nanoseconds: 7 });
        let done = trying(self.place, || operation(volume)).await;
        self.place.settle(&mut self.rng).await;
        done
    }

    /// Does something that must succeed.
    async fn act<T>(&mut self, what: &str, operation: impl FnMut(&mut Volume) -> Result<T>) -> T {
        self.try_act(operation).await.unwrap_or_else(|error| panic!("{what}: {error}"))
    }

    async fn op(&mut self, top: &[u8], op: &Op) {
        if matches!(op, Op::Reopen) {
            return self.reopen().await;
        }
        self.act(&format!("{op:?}"), |volume| apply(volume, top, op)).await;
        // A host may also leave it at that.
        if matches!(op, Op::Sync) && self.rng.chance(50) {
            self.place.durable().await;
        }
    }

    /// Ends in good order.
    pub(crate) async fn close(&mut self) {
        self.act("quiesce", Volume::quiesce).await;
        self.volume = None;
        assert!(self.place.durable().await);
    }

    async fn reopen(&mut self) {
        self.close().await;
        self.start_again().await;
    }

    async fn start_again(&mut self) {
        self.volume = None;
        self.place.kill(&mut self.rng).await;
        let device = self.place.open().await;
        self.mount(&device).await;
    }

    async fn assert_sound(&mut self, when: &str) {
        let found = self.act("check", |volume| {
            // A check that misses something is made again from the start.
            let mut found = Vec::new();
            volume.check(&mut |finding| {
                found.push(format!("{:?}: {}", finding.severity, finding.corruption))
            })?;
            Ok(found)
        });
        assert_eq!(found.await, Vec::<String>::new(), "{when}");
    }

    /// A file gets contents of its own, in one of several ways, and is made durable.
    async fn promise(&mut self, promised: &mut Promised, serial: u64) {
        let path = format!("/kept-{}", self.rng.below(12)).into_bytes();
        let mut bytes = pattern(serial, 0, self.rng.below(200_000) as usize);
        let old = promised.iter().next().map(|(path, bytes)| (path.clone(), bytes.clone()));
        let root = self.volume.as_ref().expect("open").root();
        let name = format!("new-{serial}").into_bytes();
        let file = self.act("create", |volume| volume.create(root, &name, &new_inode(0o644))).await;
        if let Some((source, contents)) = old
            && contents.len() > bytes.len()
        {
            let source = self.act("resolve", |volume| volume.resolve(&source, Follow::No)).await;
            self.act("clone", |volume| volume.clone_file(source, file)).await;
            let rest = contents[bytes.len()..].to_vec();
            self.act("write", |volume| volume.write(file, 0, &bytes)).await;
            bytes.extend(rest);
        } else {
            self.act("write", |volume| volume.write(file, 0, &bytes)).await;
        }
        let value = serial.to_string();
        self.act("set an attribute", |volume| {
            volume.set_xattr(file, Namespace::User, b"serial", value.as_bytes(), SetMode::Either)
        })
        .await;
        self.act("fsync", |volume| volume.fsync(file)).await;
        let to = path[1..].to_vec();
        self.act("rename", |volume| {
            volume.rename(root, &name, root, &to, xfskit::volume::RenameMode::Replace)
        })
        .await;
        self.act("fsync", |volume| volume.fsync(file)).await;
        assert!(self.place.durable().await);
        promised.insert(path, bytes);
    }

    async fn assert_promised(&mut self, promised: &Promised, when: &str) {
        for (path, bytes) in promised {
            let found = self.act("read what was promised", |volume| {
                let file = volume.resolve(path, Follow::No)?;
                let mut buf = vec![0; bytes.len() + 1];
                let count = volume.read(file, 0, &mut buf)?;
                buf.truncate(count);
                Ok(buf)
            });
            assert!(found.await == *bytes, "{when}: {}", path.escape_ascii());
        }
    }

    /// Only what lies below it counts.
    async fn remove_all(&mut self, path: &[u8]) {
        let mut pending = vec![path.to_vec()];
        while let Some(dir) = pending.last().cloned() {
            let (ino, names) = self
                .act("list", |volume| {
                    let ino = volume.resolve(&dir, Follow::No)?;
                    Ok((ino, volume.read_dir(ino)?))
                })
                .await;
            let mut is_empty = true;
            for entry in names {
                if entry.file_type == Some(xfskit::volume::FileType::Directory) {
                    is_empty = false;
                    pending.push([&dir[..], b"/", &entry.name].concat());
                } else {
                    self.act("unlink", |volume| volume.unlink(ino, &entry.name)).await;
                }
            }
            if is_empty {
                let at = dir.iter().rposition(|&byte| byte == b'/').expect("a path from the root");
                let (above, name) = (dir[..at.max(1)].to_vec(), dir[at + 1..].to_vec());
                self.act("rmdir", |volume| {
                    let above = volume.resolve(if at == 0 { b"/" } else { &above }, Follow::No)?;
                    volume.rmdir(above, &name)
                })
                .await;
                pending.pop();
            }
        }
    }
}

/// Goal: a volume shows the same as a model after the same operations, whatever it lives on.
pub(crate) async fn random_operations(place: &mut impl Place, seed: u64, steps: usize) {
    let mut run = Run::format(place, seed).await;
    let mut generator = Generator::new(Limits::small(), Rng::named(seed, "operations")).moving_names();
    for step in 0..steps {
        let op = generator.step();
        run.op(b"", &op).await;
        if step % 100 == 99 {
            let tree = run.act("walk", from_volume).await;
            generator.model.tree().assert_same("the model", &tree, "the volume");
        }
    }
    run.reopen().await;
    let tree = run.act("walk", from_volume).await;
    generator.model.tree().assert_same("the model", &tree, "the volume, opened again");
    run.assert_sound("in the end").await;
    run.close().await;
}

/// Goal: whenever the program ends, what is left is sound, and what fsync promised is there.
/// Method: random operations below a directory, between them files that are made durable, and the end at any moment.
pub(crate) async fn kills(mut run: Run<'_, impl Place>, seed: u64, rounds: usize) {
    let mut promised = Promised::new();
    let mut serial = seed << 20;
    for round in 0..rounds {
        let when = format!("seed {seed}, round {round}");
        let top = format!("/round-{round}").into_bytes();
        let dir = Op::Mkdir { dir: b"/"[..].into(), name: Bytes(top[1..].to_vec()), mode: 0o755 };
        run.op(b"", &dir).await;
        let mut generator = Generator::new(Limits::small(), Rng::named(seed, &when)).moving_names();
        for _ in 0..run.rng.below(60) {
            if run.rng.chance(7) {
                serial += 1;
                run.promise(&mut promised, serial).await;
                continue;
            }
            match generator.step() {
                Op::Reopen => {}
                op => run.op(&top, &op).await,
            }
        }
        run.start_again().await;
        run.assert_sound(&when).await;
        run.assert_promised(&promised, &when).await;
        if run.act("look", |volume| Ok(volume.resolve(&top, Follow::No).is_ok())).await {
            run.remove_all(&top).await;
        }
    }
    run.close().await;
}

/// Goal: when there is no more room, that is said, what was promised is there, and once there is room all goes on.
pub(crate) async fn no_more_room(place: &mut impl Place, limit: impl FnOnce(), unlimit: impl FnOnce()) {
    let mut run = Run::format(place, 20).await;
    limit();
    let mut promised = Promised::new();
    let error = loop {
        let name = format!("file-{}", promised.len()).into_bytes();
        let bytes = pattern(promised.len() as u64, 0, 300_000);
        let root = run.volume.as_ref().expect("open").root();
        let made = async {
            let file = run.try_act(|volume| volume.create(root, &name, &new_inode(0o644))).await?;
            run.try_act(|volume| volume.write(file, 0, &bytes)).await?;
            run.try_act(|volume| volume.fsync(file)).await
        };
        match made.await {
            Err(error) => break Some(error),
            Ok(()) if !run.place.durable().await => break None,
            Ok(()) => drop(promised.insert([b"/", &name[..]].concat(), bytes)),
        }
        assert!(promised.len() < 100, "there is always room");
    };
    let is_told = error.as_ref().is_none_or(|error| {
        matches!(error, Error::NoSpace | Error::Device(DeviceError::NoSpace) | Error::Shutdown { .. })
    });
    assert!(is_told && !promised.is_empty(), "{error:?} after {} files", promised.len());
    run.assert_promised(&promised, "without room").await;
    unlimit();
    run.start_again().await;
    run.assert_sound("with room again").await;
    run.assert_promised(&promised, "with room again").await;
    let root = run.volume.as_ref().expect("open").root();
    let file = run.act("create", |volume| volume.create(root, b"last", &new_inode(0o644))).await;
    run.act("write", |volume| volume.write(file, 0, &[7; 500_000])).await;
    run.close().await;
}

/// An image with some content, as it may lie on a server; and what it shows.
pub(crate) async fn image_on_a_server(seed: u64) -> (Shared, xfskit_tests::tree::Tree) {
    let mut place = Memory::default();
    let mut run = Run::format(&mut place, seed).await;
    let mut generator = Generator::new(Limits::small(), Rng::named(seed, "server"));
    for _ in 0..150 {
        match generator.step() {
            Op::Reopen => {}
            op => run.op(b"", &op).await,
        }
    }
    run.close().await;
    let mut made = place.open().await;
    let mut copy = SparseMemory::new(LEN_BYTES);
    let mut buf = vec![0; 64 << 10];
    for at in (0..LEN_BYTES).step_by(64 << 10) {
        made.read_at(at, &mut buf).expect("inside");
        if buf.iter().any(|&byte| byte != 0) {
            copy.write_at(at, &buf).expect("inside");
        }
    }
    (Shared::new(copy), generator.model.tree())
}

/// What a server has shows as it is, and a volume over it can be changed and killed like any other.
pub(crate) async fn kills_over_a_server(
    place: &mut impl Place,
    tree: &xfskit_tests::tree::Tree,
    seed: u64,
    rounds: usize,
) {
    let mut run = Run::open(place, seed).await;
    let found = run.act("walk", from_volume).await;
    tree.assert_same("the model", &found, "the volume on the server");
    kills(run, seed, rounds).await;
}
