//! `setfacl`: access control lists changed as the tool of that name does it.

use std::io::Read as _;

use xfskit::units::Ino;
use xfskit::volume::{Acl, AclEntry, AclKind, FileType, Follow, Tag};

use crate::acl::{Entries, Spec};
use crate::address::Address;
use crate::attributes::each_file;
use crate::failure::Failure;
use crate::image::{Access, Image, at_each};
use crate::session::Session;

const AFTER_HELP: &str = "\
ENTRIES are separated by commas: [d:]u:[UID]:PERMS, [d:]g:[GID]:PERMS,
[d:]m::PERMS, [d:]o::PERMS, with PERMS of rwxX or a digit; d: is for the
default ACL of a directory. The mask becomes what all entries need, unless it
is among ENTRIES or -n is given. First of all what -b, -k and --set ask for is
done, then -m, then -x.

Examples:
  xfskit setfacl -m u:1000:rwX,d:u:1000:rwX disk.img:/srv
  xfskit setfacl -R -x g:100 disk.img:/srv
  xfskit setfacl -b disk.img:/srv/file";

/// Arguments of `setfacl`.
#[derive(Debug, clap::Args)]
#[group(skip)]
#[command(after_help = AFTER_HELP)]
pub(crate) struct Args {
    /// Set these entries and leave the others
    #[arg(short, long, value_name = "ENTRIES", value_parser = specs)]
    modify: Vec<Specs>,
    /// The same, with entries from a file of the host; - is standard input
    #[arg(short = 'M', long, value_name = "FILE")]
    modify_file: Option<String>,
    /// Remove these entries
    #[arg(short = 'x', long, value_name = "ENTRIES", value_parser = specs)]
    remove: Vec<Specs>,
    /// Make these all entries
    #[arg(long, value_name = "ENTRIES", value_parser = specs)]
    set: Option<Specs>,
    /// Remove all entries but those of owner, group and others, and the default ACL
    #[arg(short = 'b', long)]
    remove_all: bool,
    /// Remove the default ACL
    #[arg(short = 'k', long)]
    remove_default: bool,
    /// Entries without d: are for the default ACL too
    #[arg(short, long)]
    default: bool,
    /// Leave the mask as it is
    #[arg(short, long)]
    no_mask: bool,
    /// All that is below, too
    #[arg(short = 'R', long)]
    recursive: bool,
    /// Files
    #[arg(required = true, value_name = "IMAGE:PATH", value_parser = Address::parser())]
    addresses: Vec<Address>,
}

/// Entries of one option.
#[derive(Debug, Clone)]
struct Specs(Vec<Spec>);

fn specs(text: &str) -> Result<Specs, String> {
    Spec::parse_list(text).map(Specs)
}

/// All that is asked for.
struct Change {
    set: Option<Vec<Spec>>,
    remove: Vec<Spec>,
    modify: Vec<Spec>,
    remove_all: bool,
    remove_default: bool,
    no_mask: bool,
}

/// Carries it out.
pub(crate) fn run(args: &Args, session: &mut Session) -> Result<(), Failure> {
    let change = gather(args)?;
    at_each(&args.addresses, Access::Write, session, |image, address, session| {
        each_file(image, address, args.recursive, Follow::Yes, session, |image, ino, path| {
            change.apply(image, ino, path, args.recursive)
        })
    })
}

fn gather(args: &Args) -> Result<Change, Failure> {
    let all = |specs: &[Specs]| -> Vec<Spec> { specs.iter().flat_map(|specs| specs.0.clone()).collect() };
    let (mut modify, mut set) = (all(&args.modify), args.set.clone().map(|specs| specs.0));
    if let Some(file) = &args.modify_file {
        modify.extend(read_file(file)?);
    }
    let mut remove = all(&args.remove);
    if args.default {
        for spec in modify.iter_mut().chain(set.iter_mut().flatten()).chain(&mut remove) {
            spec.is_default = true;
        }
    }
    if modify.iter().chain(set.iter().flatten()).any(|spec| spec.wanted.is_none()) {
        return Err(Failure::Usage("entries to set need permissions".to_owned()));
    }
    if remove.iter().any(|spec| spec.wanted.is_some()) {
        return Err(Failure::Usage("entries to remove have no permissions".to_owned()));
    }
    let (remove_all, remove_default, no_mask) = (args.remove_all, args.remove_default, args.no_mask);
    if modify.is_empty() && remove.is_empty() && set.is_none() && !remove_all && !remove_default {
        return Err(Failure::Usage("nothing to do: -m, -x, -b, -k or --set is missing".to_owned()));
    }
    Ok(Change { set, remove, modify, remove_all, remove_default, no_mask })
}

/// Entries in a file: one a line, with comments as getfacl writes them.
fn read_file(file: &str) -> Result<Vec<Spec>, Failure> {
    let mut text = String::new();
    let read = match file {
        "-" => std::io::stdin().read_to_string(&mut text).map(drop),
        file => std::fs::read_to_string(file).map(|read| text = read),
    };
    read.map_err(|error| Failure::io(file, "cannot read", &error))?;
    let lines = text.lines().map(|line| line.split('#').next().unwrap_or_default());
    Spec::parse_list(&lines.collect::<Vec<_>>().join("\n")).map_err(Failure::Usage)
}

impl Change {
    fn apply(&self, image: &mut Image, ino: Ino, path: &[u8], is_recursive: bool) -> Result<(), Failure> {
        let stat = image.stat(ino, path)?;
        if stat.file_type == FileType::Symlink {
            return Ok(());
        }
        let is_dir = stat.file_type == FileType::Directory;
        let fail = |image: &Image, error: &xfskit::Error| image.fail(path, "cannot set ACL", error);
        let stored = [AclKind::Access, AclKind::Default].map(|kind| image.volume.acl(ino, kind));
        let [access, default] = stored;
        let access = access.map_err(|error| fail(image, &error))?;
        let default = default.map_err(|error| fail(image, &error))?;
        let before = Entries::of(&access.unwrap_or_else(|| Acl::from_mode(stat.mode)));
        let gets_x = is_dir || before.iter().any(|entry| entry.perm & 1 != 0);

        if self.changes(false) {
            let after = self.change(before.clone(), None, false, gets_x);
            let outcome = after.acl().and_then(|acl| image.volume.set_acl(ino, AclKind::Access, Some(&acl)));
            outcome.map_err(|error| fail(image, &error))?;
        }
        // Below a directory, what is for directories passes files by.
        if self.changes(true) && (is_dir || !is_recursive) {
            let default = default.as_ref().map(Entries::of).unwrap_or_default();
            if !is_dir && default.is_empty() && !self.adds_default() {
                return Ok(());
            }
            let after = self.change(default, Some(&before), true, gets_x);
            let acl = if after.is_empty() { Ok(None) } else { after.acl().map(Some) };
            let outcome = acl.and_then(|acl| image.volume.set_acl(ino, AclKind::Default, acl.as_ref()));
            outcome.map_err(|error| fail(image, &error))?;
        }
        Ok(())
    }

    /// Whether anything is about the list of that kind.
    fn changes(&self, is_default: bool) -> bool {
        let named = self.remove.iter().chain(&self.modify).chain(self.set.iter().flatten());
        self.remove_all
            || is_default && self.remove_default
            || named.clone().any(|spec| spec.is_default == is_default)
    }

    fn adds_default(&self) -> bool {
        self.modify.iter().chain(self.set.iter().flatten()).any(|spec| spec.is_default)
    }

    /// One list after all changes. A default list that begins takes what is missing from `base`.
    fn change(&self, entries: Entries, base: Option<&Entries>, is_default: bool, gets_x: bool) -> Entries {
        let mut entries = entries;
        if self.remove_all {
            remove_extended(&mut entries);
        }
        if is_default && (self.remove_default || self.remove_all) {
            entries = Entries::default();
        }
        let of_kind = |specs: &[Spec]| -> Vec<Spec> {
            specs.iter().filter(|spec| spec.is_default == is_default).copied().collect()
        };
        let set = self.set.as_deref().map(of_kind).unwrap_or_default();
        if !set.is_empty() {
            entries = Entries::default();
        }
        let added: Vec<Spec> = set.into_iter().chain(of_kind(&self.modify)).collect();
        for spec in &added {
            let perm = spec.wanted.map_or(0, |wanted| wanted.perm(gets_x));
            entries.set(AclEntry { tag: spec.tag, perm });
        }
        for spec in of_kind(&self.remove) {
            entries.remove(spec.tag);
        }
        if let Some(base) = base.filter(|_| !entries.is_empty()) {
            complete(&mut entries, base);
        }
        let names_mask = added.iter().any(|spec| spec.tag == Tag::Mask);
        let has_mask = entries.get(Tag::Mask).is_some();
        let is_touched = !added.is_empty() || !of_kind(&self.remove).is_empty();
        let recalculates = is_touched && !names_mask && !self.no_mask && (has_mask || entries.has_named());
        if recalculates || entries.has_named() && !has_mask {
            entries.calculate_mask();
        }
        entries
    }
}

/// Leaves what a mode can say. What the mask kept from the group it does not get now.
fn remove_extended(entries: &mut Entries) {
    let mask = entries.get(Tag::Mask).unwrap_or(7);
    let group = entries.get(Tag::GroupObj).unwrap_or(0) & mask;
    let is_basic = |tag: &Tag| matches!(tag, Tag::UserObj | Tag::GroupObj | Tag::Other);
    let extended: Vec<Tag> = entries.iter().map(|entry| entry.tag).filter(|tag| !is_basic(tag)).collect();
    for tag in extended {
        entries.remove(tag);
    }
    if entries.get(Tag::GroupObj).is_some() {
        entries.set(AclEntry { tag: Tag::GroupObj, perm: group });
    }
}

/// Adds the entries that every list must have from another one.
fn complete(entries: &mut Entries, base: &Entries) {
    for tag in [Tag::UserObj, Tag::GroupObj, Tag::Other] {
        if let (None, Some(perm)) = (entries.get(tag), base.get(tag)) {
            entries.set(AclEntry { tag, perm });
        }
    }
}
