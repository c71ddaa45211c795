//! What a member is given when it is complete otherwise: owner and mode, extended attributes, lists, times.

use tar::EntryType;
use xfskit::units::Ino;
use xfskit::volume::{Acl, AclEntry, AclKind, SetAttributes, SetMode};
use xfskit::{Error, Volume};

use super::{Import, Trouble};
use crate::acl::{Entries, Spec};
use crate::archive::Member;
use crate::failure::Failure;
use crate::getfattr::parse_name;
use crate::name;

impl Import<'_> {
    /// Owner and mode where they are not as in the archive: a directory may pass on its group and a list, and may have
    /// been there before.
    fn own(&mut self, ino: Ino, member: &Member) -> xfskit::Result<()> {
        let stat = self.image.volume.stat(ino)?;
        let mode = if member.kind == EntryType::Symlink { stat.mode } else { member.mode };
        if (stat.mode, stat.uid, stat.gid) == (mode, member.uid, member.gid) {
            return Ok(());
        }
        let mut set = SetAttributes::default();
        (set.mode, set.uid, set.gid) = (Some(mode), Some(member.uid), Some(member.gid));
        self.image.volume.set_attributes(ino, &set)
    }

    /// Attributes, lists and times of something that is complete otherwise.
    pub(super) fn attributes(&mut self, ino: Ino, path: &[u8], member: &Member) -> Result<(), Trouble> {
        self.own(ino, member).map_err(|error| self.fail(path, "cannot set attributes", &error))?;
        let mut outcome = Ok(());
        for (full, value) in &member.xattrs {
            if let Err(why) = set_xattr(&mut self.image.volume, ino, full, value) {
                let place = self.image.place(path);
                outcome = Err(Trouble::Member(Failure::new(place, &name::escaped(full), why)));
            }
        }
        for (text, kind) in member.acls.iter().zip([AclKind::Access, AclKind::Default]) {
            let Some(text) = text.as_ref().filter(|text| !text.is_empty()) else { continue };
            if let Err(why) = set_acl_text(&mut self.image.volume, ino, kind, text) {
                outcome = Err(Trouble::Member(Failure::new(self.image.place(path), "ACL", why)));
            }
        }
        let times = SetAttributes {
            mtime: Some(member.mtime),
            atime: Some(member.atime.unwrap_or(member.mtime)),
            ..SetAttributes::default()
        };
        let set = self.image.volume.set_attributes(ino, &times);
        set.map_err(|error| self.fail(path, "cannot set times", &error))?;
        match outcome {
            // What could not be kept is told, but the member is there.
            Err(Trouble::Member(failure)) => {
                let Self { progress, session, .. } = self;
                progress.pause(|| session.part(Err(failure))).map_err(Trouble::Member)
            }
            outcome => outcome,
        }
    }
}

fn set_xattr(volume: &mut Volume, ino: Ino, full: &[u8], value: &[u8]) -> Result<(), String> {
    let text = |error: Error| error.to_string();
    let kinds = [AclKind::Access, AclKind::Default];
    let stored = kinds.into_iter().find(|kind| full.strip_prefix(b"trusted.") == Some(kind.name()));
    if let Some(kind) = stored {
        let acl = Acl::decode(value).map_err(|problem| problem.to_string())?;
        return volume.set_acl(ino, kind, Some(&acl)).map_err(text);
    }
    // The same lists in the form of the kernel's interface.
    if let Some(kind) = kinds.into_iter().find(|kind| kind.shown_name() == full) {
        let acl = Acl::from_shown(value).map_err(text)?;
        return volume.set_acl(ino, kind, acl.as_ref()).map_err(text);
    }
    let name = str::from_utf8(full).map_err(|_| "a name of an attribute that is not UTF-8".to_owned())?;
    let name = parse_name(name).map_err(|failure| failure.to_string())?;
    volume.set_xattr(ino, name.namespace, &name.name, value, SetMode::Either).map_err(text)
}

fn set_acl_text(volume: &mut Volume, ino: Ino, kind: AclKind, text: &[u8]) -> Result<(), String> {
    let text = str::from_utf8(text).map_err(|_| "not text".to_owned())?;
    let mut entries = Entries::default();
    for spec in Spec::parse_list(text)? {
        let wanted = spec.wanted.ok_or("permissions are missing")?;
        entries.set(AclEntry { tag: spec.tag, perm: wanted.perm(false) });
    }
    let acl = entries.acl().map_err(|error| error.to_string())?;
    volume.set_acl(ino, kind, Some(&acl)).map_err(|error| error.to_string())
}
