//! Extended attributes by their full names, and access control lists, which Linux passes as such.

use fuser::{Errno, INodeNo};
use xfskit::volume::{Acl, AclKind, Namespace, SetMode};

use crate::caller::{CAP_FSETID, CAP_SYS_ADMIN, Caller};
use crate::errno;
use crate::tree::{Answer, Tree};

/// Flags of setxattr(2).
const XATTR_CREATE: i32 = 1;
const XATTR_REPLACE: i32 = 2;

const S_ISGID: u16 = 0o2000;

const ACLS: [AclKind; 2] = [AclKind::Access, AclKind::Default];

/// What a full name means.
enum Meaning<'a> {
    Acl(AclKind),
    Xattr(Namespace, &'a [u8]),
}

fn meaning(name: &[u8]) -> Answer<Meaning<'_>> {
    if let Some(kind) = ACLS.into_iter().find(|kind| kind.shown_name() == name) {
        return Ok(Meaning::Acl(kind));
    }
    let namespaces = [Namespace::User, Namespace::Trusted, Namespace::Security];
    let found = namespaces.iter().find_map(|&space| Some((space, name.strip_prefix(space.prefix())?)));
    match found {
        Some((_, [])) => Err(Errno::EINVAL),
        Some((namespace, name)) => Ok(Meaning::Xattr(namespace, name)),
        None => Err(Errno::EOPNOTSUPP),
    }
}

impl Tree {
    /// The value of an attribute.
    pub(crate) fn getxattr(&mut self, ino: INodeNo, name: &[u8]) -> Answer<Vec<u8>> {
        let ino = self.ino(ino);
        match meaning(name)? {
            Meaning::Xattr(namespace, name) => self.call(|volume| volume.xattr(ino, namespace, name)),
            Meaning::Acl(kind) => {
                let list = self.call(|volume| volume.acl(ino, kind))?;
                list.map(|list| list.to_shown()).ok_or(Errno::ENODATA)
            }
        }
    }

    /// Sets an attribute.
    pub(crate) fn setxattr(
        &mut self,
        caller: Caller,
        ino: INodeNo,
        name: &[u8],
        value: &[u8],
        flags: i32,
    ) -> Answer<()> {
        let ino = self.ino(ino);
        match meaning(name)? {
            Meaning::Acl(kind) => {
                let list = Acl::from_shown(value).map_err(|error| errno::of(&error))?;
                let stat = self.call(|volume| volume.stat(ino))?;
                let is_setgid = stat.mode & S_ISGID != 0 && kind == AclKind::Access && list.is_some();
                let keeps = !is_setgid || caller.is_in_group(stat.gid) || caller.is_capable(CAP_FSETID);
                self.call(|volume| match keeps {
                    true => volume.set_acl(ino, kind, list.as_ref()),
                    false => volume.set_acl_from_outside(ino, kind, list.as_ref()),
                })
            }
            Meaning::Xattr(namespace, name) => {
                let mode = match flags {
                    0 => SetMode::Either,
                    XATTR_CREATE => SetMode::Create,
                    XATTR_REPLACE => SetMode::Replace,
                    _ => return Err(Errno::EINVAL),
                };
                self.call(|volume| volume.set_xattr(ino, namespace, name, value, mode))
            }
        }
    }

    /// Removes an attribute.
    pub(crate) fn removexattr(&mut self, ino: INodeNo, name: &[u8]) -> Answer<()> {
        let ino = self.ino(ino);
        match meaning(name)? {
            Meaning::Acl(kind) => self.call(|volume| volume.set_acl(ino, kind, None)),
            Meaning::Xattr(namespace, name) => self.call(|volume| volume.remove_xattr(ino, namespace, name)),
        }
    }

    /// The full names of all attributes, each with a zero behind it.
    pub(crate) fn listxattr(&mut self, caller: Caller, ino: INodeNo) -> Answer<Vec<u8>> {
        let ino = self.ino(ino);
        let names = self.call(|volume| volume.list_xattrs(ino))?;
        let is_trusted = |namespace| namespace == Namespace::Trusted;
        let sees_all =
            !names.iter().any(|name| is_trusted(name.namespace)) || caller.is_capable(CAP_SYS_ADMIN);
        let mut list = Vec::new();
        for name in names {
            let is_acl = |kind: AclKind| name.namespace == Namespace::Trusted && name.name == kind.name();
            match ACLS.into_iter().find(|kind| is_acl(*kind)) {
                Some(kind) => list.extend_from_slice(kind.shown_name()),
                None if is_trusted(name.namespace) && !sees_all => continue,
                None => list.extend_from_slice(&name.full_name()),
            }
            list.push(0);
        }
        Ok(list)
    }
}
