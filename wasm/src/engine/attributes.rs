//! Owners, permissions, times, extended attributes.

use js_sys::Uint8Array;
use wasm_bindgen::prelude::wasm_bindgen;
use xfskit::units::Ino;
use xfskit::volume::{Namespace, SetAttributes, SetMode};

use super::{Engine, array, ino, timestamp};
use crate::failure::{Failure, Result};

#[wasm_bindgen]
impl Engine {
    /// Sets the permission bits.
    ///
    /// # Errors
    /// Those of [`Engine::stat`]; `EPERM`.
    pub fn chmod(&mut self, path: &[u8], follow: bool, mode: u32) -> Result<()> {
        let found = self.resolved(path, follow)?;
        self.set_attributes(found, &with_mode(mode))
    }

    /// The same of an open file.
    ///
    /// # Errors
    /// `EPERM`.
    #[wasm_bindgen(js_name = chmodIno)]
    pub fn chmod_ino(&mut self, number: f64, mode: u32) -> Result<()> {
        self.set_attributes(ino(number), &with_mode(mode))
    }

    /// Sets owner and group; -1 leaves one as it is.
    ///
    /// # Errors
    /// Those of [`Engine::stat`]; `EPERM`.
    pub fn chown(&mut self, path: &[u8], follow: bool, uid: f64, gid: f64) -> Result<()> {
        let found = self.resolved(path, follow)?;
        self.set_attributes(found, &with_owner(uid, gid))
    }

    /// The same of an open file.
    ///
    /// # Errors
    /// `EPERM`.
    #[wasm_bindgen(js_name = chownIno)]
    pub fn chown_ino(&mut self, number: f64, uid: f64, gid: f64) -> Result<()> {
        self.set_attributes(ino(number), &with_owner(uid, gid))
    }

    /// Sets the times of access and modification, in milliseconds; NaN leaves one as it is.
    ///
    /// # Errors
    /// Those of [`Engine::stat`]; `EPERM`.
    pub fn utimes(&mut self, path: &[u8], follow: bool, atime_ms: f64, mtime_ms: f64) -> Result<()> {
        let found = self.resolved(path, follow)?;
        self.set_attributes(found, &with_times(atime_ms, mtime_ms))
    }

    /// The same of an open file.
    ///
    /// # Errors
    /// `EPERM`.
    #[wasm_bindgen(js_name = utimesIno)]
    pub fn utimes_ino(&mut self, number: f64, atime_ms: f64, mtime_ms: f64) -> Result<()> {
        self.set_attributes(ino(number), &with_times(atime_ms, mtime_ms))
    }

    fn set_attributes(&mut self, found: Ino, set: &SetAttributes) -> Result<()> {
        Ok(self.volume()?.set_attributes(found, set)?)
    }

    /// Value of an extended attribute, by its name with prefix.
    ///
    /// # Errors
    /// `ENODATA`; those of [`Engine::stat`].
    pub fn getxattr(&mut self, path: &[u8], follow: bool, name: &[u8]) -> Result<Uint8Array> {
        let (namespace, name) = split(name)?;
        let found = self.resolved(path, follow)?;
        Ok(array(&self.volume()?.xattr(found, namespace, name)?))
    }

    /// Sets an extended attribute. `mode`: 0 in any case, 1 a new one only, 2 only one that is there.
    ///
    /// # Errors
    /// Those of setxattr(2).
    pub fn setxattr(
        &mut self,
        path: &[u8],
        follow: bool,
        name: &[u8],
        value: &[u8],
        mode: u32,
    ) -> Result<()> {
        let (namespace, name) = split(name)?;
        let mode = match mode {
            0 => SetMode::Either,
            1 => SetMode::Create,
            2 => SetMode::Replace,
            _ => return Err(Failure::invalid("no such way to set an attribute")),
        };
        let found = self.resolved(path, follow)?;
        Ok(self.volume()?.set_xattr(found, namespace, name, value, mode)?)
    }

    /// Removes an extended attribute.
    ///
    /// # Errors
    /// `ENODATA`; those of [`Engine::stat`].
    pub fn removexattr(&mut self, path: &[u8], follow: bool, name: &[u8]) -> Result<()> {
        let (namespace, name) = split(name)?;
        let found = self.resolved(path, follow)?;
        Ok(self.volume()?.remove_xattr(found, namespace, name)?)
    }

    /// Names of all extended attributes, each with a NUL behind it, as listxattr(2) has them.
    ///
    /// # Errors
    /// Those of [`Engine::stat`].
    pub fn listxattr(&mut self, path: &[u8], follow: bool) -> Result<Uint8Array> {
        let found = self.resolved(path, follow)?;
        let mut list = Vec::new();
        for name in self.volume()?.list_xattrs(found)? {
            list.extend(name.full_name());
            list.push(0);
        }
        Ok(array(&list))
    }
}

fn with_mode(mode: u32) -> SetAttributes {
    SetAttributes { mode: Some((mode & 0o7777) as u16), ..SetAttributes::default() }
}

fn with_owner(uid: f64, gid: f64) -> SetAttributes {
    let id = |id: f64| (id >= 0.0).then_some(id as u32);
    SetAttributes { uid: id(uid), gid: id(gid), ..SetAttributes::default() }
}

fn with_times(atime_ms: f64, mtime_ms: f64) -> SetAttributes {
    let time = |ms: f64| (!ms.is_nan()).then(|| timestamp(ms));
    SetAttributes { atime: time(atime_ms), mtime: time(mtime_ms), ..SetAttributes::default() }
}

/// Namespace and rest of a name.
fn split(name: &[u8]) -> Result<(Namespace, &[u8])> {
    [Namespace::User, Namespace::Trusted, Namespace::Security]
        .into_iter()
        .find_map(|namespace| Some((namespace, name.strip_prefix(namespace.prefix())?)))
        .ok_or_else(|| Failure::new("EOPNOTSUPP", "no such namespace of attributes"))
}
