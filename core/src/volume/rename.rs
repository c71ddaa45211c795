//! Moving names: over nothing, over what is there, against another one, or leaving a whiteout behind.
//!
//! The rules and their order are those of rename(2) on Linux, and so is what happens to times and link counts.

use alloc::borrow::Cow;

use super::create::Making;
use super::names::{
    MAX_LINKS, check_empty, check_kind, check_may_gain_name, check_may_lose_name, check_name,
    check_same_project, existing, forget, named_dir, remember, spelled, touch, touch_dir,
};
use super::open_unlinked::{Fate, Held, lose_name};
use super::{NewInode, Volume};
use crate::data::write::check_reserved;
use crate::dir::edit::{self, NewName};
use crate::dir::replace::replace;
use crate::dir::{self};
use crate::error::{Error, Mistake, Result};
use crate::format::inode::FileType;
use crate::format::time::Timestamp;
use crate::inode::init::set_rdev;
use crate::inode::{self, Inode};
use crate::journal::Transaction;
use crate::units::Ino;
use crate::units::map::Hashed;

/// What a rename does with what has the new name already, and with the old name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum RenameMode {
    /// What has the new name loses it.
    #[default]
    Replace,
    /// The new name must be free.
    NoReplace,
    /// Both change places.
    Exchange,
    /// Like [`RenameMode::Replace`], and the old name leads to a character device 0:0 from then on, as overlay
    /// filesystems want it.
    Whiteout {
        /// Owner of that device.
        uid: u32,
        /// Group of that device.
        gid: u32,
        /// Whether the new name must be free.
        no_replace: bool,
    },
}

impl Volume {
    /// Gives what is called `name` in `dir` the name `new_name` in `new_dir` instead. Two names of one inode stay as
    /// they are; so, where case does not matter, does one name whose case would change, and a name that is replaced keeps
    /// its own.
    ///
    /// # Errors
    /// [`Mistake`] with the meanings of rename(2): [`Mistake::Exists`] for a directory over one that holds something, as XFS in
    /// Linux has it,
    /// [`Mistake::Argument`] for a directory below itself, [`Mistake::CrossDevice`] into another project, and so on;
    /// those of [`Volume::create`]. Nothing has changed then.
    pub fn rename(
        &mut self,
        dir: Ino,
        name: &[u8],
        new_dir: Ino,
        new_name: &[u8],
        mode: RenameMode,
    ) -> Result<()> {
        self.check_writable()?;
        if [name, new_name].iter().any(|name| matches!(*name, b"." | b"..")) {
            return Err(Mistake::Busy.into());
        }
        check_name(name)?;
        let owner = match mode {
            RenameMode::Whiteout { uid, gid, .. } => NewInode { mode: 0, uid, gid },
            _ => NewInode { mode: 0, uid: 0, gid: 0 },
        };
        // As Linux has it, a whiteout is made near the new name and takes over what that directory passes on.
        let making = self.making(new_dir, FileType::CharDevice, &owner);
        let now = self.now;
        self.with_space(|volume| {
            let mut tx = Transaction::new(&mut volume.store);
            let request = Request { dir, name, new_dir, new_name, mode };
            let Some(plan) = request.check(&mut tx)? else { return Ok(()) };
            let fate = match mode {
                RenameMode::Exchange => plan.exchange(&mut tx, now)?,
                _ => plan.rename(&mut tx, &making, &volume.held, now)?,
            };
            check_reserved(&mut tx, &volume.files)?;
            tx.commit()?;
            if let Some(target) = plan.target {
                volume.settle(target.ino, fate);
            }
            Ok(())
        })?;
        if matches!(mode, RenameMode::Whiteout { .. }) {
            self.seed = making.seed();
        }
        self.note_attributes();
        // The names are moved, whatever becomes of the rest: what can't be freed now is left for later.
        let _ = self.free_orphans();
        Ok(())
    }
}

/// What the caller asks for.
struct Request<'a> {
    dir: Ino,
    name: &'a [u8],
    new_dir: Ino,
    new_name: &'a [u8],
    mode: RenameMode,
}

/// A directory, and a name as it is spelled there.
type Place<'a> = (Inode, Cow<'a, [u8]>);

/// A rename that may be done.
struct Plan<'a> {
    old: Place<'a>,
    new: Place<'a>,
    source: Inode,
    target: Option<Inode>,
    leaves_whiteout: bool,
}

impl<'a> Request<'a> {
    /// Checks whether it may be done; `None` when there is nothing to do.
    fn check(&self, tx: &mut Transaction<'_>) -> Result<Option<Plan<'a>>> {
        let old_dir = named_dir(tx, self.dir)?;
        let new_dir = named_dir(tx, self.new_dir)?;
        let source = existing(tx, &old_dir, self.name)?;
        check_name(self.new_name)?;
        let target = match dir::lookup(tx, &new_dir, self.new_name)? {
            Some((ino, _)) => Some(inode::read(tx, ino)?),
            None => None,
        };
        let no_replace =
            matches!(self.mode, RenameMode::NoReplace | RenameMode::Whiteout { no_replace: true, .. });
        match (&target, self.mode) {
            (Some(_), _) if no_replace => return Err(Mistake::Exists.into()),
            (None, RenameMode::Exchange) => return Err(Mistake::NotFound.into()),
            _ => {}
        }
        self.check_tree(tx, &source, target.as_ref())?;
        if target.as_ref().is_some_and(|target| target.ino == source.ino) {
            return Ok(None);
        }
        check_may_lose_name(&old_dir, &source)?;
        let replaced = target.as_ref().filter(|_| self.mode != RenameMode::Exchange);
        match &target {
            Some(target) => check_may_lose_name(&new_dir, target)?,
            None => check_may_gain_name(&new_dir)?,
        }
        replaced.map_or(Ok(()), |target| check_kind(target, source.is_dir()))?;
        self.check_links(&old_dir, &new_dir, &source, target.as_ref())?;
        check_same_project(&new_dir, &source)?;
        match replaced.map_or(Ok(()), |target| check_empty(tx, target)) {
            Err(Error::Invalid(Mistake::NotEmpty)) => return Err(Mistake::Exists.into()),
            checked => checked?,
        }
        let leaves_whiteout = matches!(self.mode, RenameMode::Whiteout { .. });
        let name = spelled(tx, &old_dir, self.name)?;
        let new_name = spelled(tx, &new_dir, self.new_name)?;
        let (old, new) = ((old_dir, name), (new_dir, new_name));
        Ok(Some(Plan { old, new, source, target, leaves_whiteout }))
    }

    /// Refuses what would cut a part of the tree off.
    fn check_tree(&self, tx: &mut Transaction<'_>, source: &Inode, target: Option<&Inode>) -> Result<()> {
        if self.dir == self.new_dir {
            return Ok(());
        }
        if source.is_dir() && is_within(tx, self.new_dir, source.ino)? {
            return Err(Mistake::Argument("a directory would be moved below itself").into());
        }
        match target {
            Some(target) if target.is_dir() && is_within(tx, self.dir, target.ino)? => match self.mode {
                RenameMode::Exchange => {
                    Err(Mistake::Argument("a directory would be moved below itself").into())
                }
                _ => Err(Mistake::NotEmpty.into()),
            },
            _ => Ok(()),
        }
    }

    /// Refuses one link too many in a directory that gains a directory.
    fn check_links(
        &self,
        old_dir: &Inode,
        new_dir: &Inode,
        source: &Inode,
        target: Option<&Inode>,
    ) -> Result<()> {
        let is_full = |dir: &Inode| dir.core.nlink.get() >= MAX_LINKS;
        let target_is_dir = target.is_some_and(Inode::is_dir);
        let new_gains = source.is_dir() && !target_is_dir;
        let old_gains = self.mode == RenameMode::Exchange && !source.is_dir() && target_is_dir;
        let is_too_many = new_gains && is_full(new_dir) || old_gains && is_full(old_dir);
        if self.dir != self.new_dir && is_too_many {
            return Err(Mistake::TooManyLinks.into());
        }
        Ok(())
    }
}

impl Plan<'_> {
    fn moves_dirs(&self) -> bool {
        self.old.0.ino != self.new.0.ino
    }

    /// Moves the name.
    fn rename(
        &self,
        tx: &mut Transaction<'_>,
        making: &Making<'_>,
        held: &Held,
        now: Timestamp,
    ) -> Result<Fate> {
        let (source, old, new) = (&self.source, self.old.0.ino, self.new.0.ino);
        let whiteout = match self.leaves_whiteout {
            true => Some(make_whiteout(tx, making, &self.new.0)?),
            false => None,
        };
        let entry = NewName { name: &self.new.1, ino: source.ino, file_type: source.file_type };
        match self.target {
            Some(_) => replace(tx, &self.new.0, &entry)?,
            None => edit::add(tx, &self.new.0, &entry)?,
        }
        if self.moves_dirs() && source.is_dir() {
            replace(tx, source, &dotdot(new))?;
        }
        // Read again: the entry may have been added to the same directory.
        let old_dir = inode::read(tx, old)?;
        match whiteout {
            Some(ino) => {
                replace(tx, &old_dir, &NewName { name: &self.old.1, ino, file_type: FileType::CharDevice })?;
            }
            None => edit::remove(tx, &old_dir, &self.old.1)?,
        }
        self.count_links(tx, now)?;
        if let Some(ino) = whiteout {
            remember(tx, ino, &self.old.0, &self.old.1)?;
        }
        self.repoint(tx, source.ino, &self.old, &self.new)?;
        match &self.target {
            Some(target) => lose_name(tx, target, (&self.new.0, &self.new.1), held, now),
            None => Ok(Fate::Stays),
        }
    }

    /// Link counts and times of the directories, and the time of what is moved.
    fn count_links(&self, tx: &mut Transaction<'_>, now: Timestamp) -> Result<()> {
        let (is_dir, replaces) = (self.source.is_dir(), self.target.is_some());
        let gained = i32::from(is_dir && self.moves_dirs() && !replaces);
        let lost = i32::from(is_dir && (self.moves_dirs() || replaces));
        touch_dir(tx, self.new.0.ino, gained - if self.moves_dirs() { 0 } else { lost }, now)?;
        if self.moves_dirs() {
            touch_dir(tx, self.old.0.ino, -lost, now)?;
        }
        touch(tx, self.source.ino, 0, now)
    }

    /// Has an inode remember its new name in place of the old one.
    fn repoint(&self, tx: &mut Transaction<'_>, ino: Ino, from: &Place<'_>, to: &Place<'_>) -> Result<()> {
        forget(tx, ino, &from.0, &from.1)?;
        remember(tx, ino, &to.0, &to.1)
    }

    /// Has both names change places.
    fn exchange(&self, tx: &mut Transaction<'_>, now: Timestamp) -> Result<Fate> {
        let Some(target) = &self.target else { return Err(Mistake::NotFound.into()) };
        let source = &self.source;
        replace(
            tx,
            &self.new.0,
            &NewName { name: &self.new.1, ino: source.ino, file_type: source.file_type },
        )?;
        let old_dir = inode::read(tx, self.old.0.ino)?;
        replace(tx, &old_dir, &NewName { name: &self.old.1, ino: target.ino, file_type: target.file_type })?;
        let moved = i32::from(source.is_dir()) - i32::from(target.is_dir());
        if self.moves_dirs() {
            for (inode, to) in [(source, self.new.0.ino), (target, self.old.0.ino)] {
                if inode.is_dir() {
                    let inode = inode::read(tx, inode.ino)?;
                    replace(tx, &inode, &dotdot(to))?;
                }
            }
            touch_dir(tx, self.new.0.ino, moved, now)?;
            touch_dir(tx, self.old.0.ino, -moved, now)?;
            // A directory has changed, by its ".."; Linux has what it changed places with share that.
            for inode in [source, target] {
                match inode.is_dir() {
                    true => touch_dir(tx, inode.ino, 0, now)?,
                    false if source.is_dir() || target.is_dir() => touch(tx, inode.ino, 0, now)?,
                    false => {}
                }
            }
        } else {
            touch_dir(tx, self.old.0.ino, 0, now)?;
        }
        self.repoint(tx, source.ino, &self.old, &self.new)?;
        self.repoint(tx, target.ino, &self.new, &self.old)?;
        Ok(Fate::Stays)
    }
}

fn dotdot(ino: Ino) -> NewName<'static> {
    NewName { name: b"..", ino, file_type: FileType::Directory }
}

/// Makes the device that is to stand for a name that is gone.
fn make_whiteout(tx: &mut Transaction<'_>, making: &Making<'_>, dir: &Inode) -> Result<Ino> {
    let ino = making.inode(tx, dir)?;
    set_rdev(tx, ino, 0, 0)?;
    Ok(ino)
}

/// Whether the directory `at` is `above` or lies somewhere below it.
fn is_within(tx: &mut Transaction<'_>, at: Ino, above: Ino) -> Result<bool> {
    let (mut at, root) = (at, tx.geometry().rootino);
    let mut seen = Hashed::new();
    while at != above {
        if at == root {
            return Ok(false);
        }
        let dir = inode::read(tx, at)?;
        if !dir.is_dir() || seen.insert(at, ()).is_some() {
            return Err(dir.corrupt(crate::error::Problem::Rule("\"..\" does not lead to the root")));
        }
        at = existing(tx, &dir, b"..")?.ino;
    }
    Ok(true)
}
