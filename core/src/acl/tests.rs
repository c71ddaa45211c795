use super::*;

fn acl(entries: &[(Tag, u8)]) -> Result<Acl> {
    Acl::new(entries.iter().map(|&(tag, perm)| AclEntry { tag, perm }).collect())
}

const FULL: [(Tag, u8); 7] = [
    (Tag::UserObj, 7),
    (Tag::User(5), 6),
    (Tag::GroupObj, 5),
    (Tag::Group(6), 7),
    (Tag::Group(7), 0),
    (Tag::Mask, 6),
    (Tag::Other, 4),
];

#[test]
fn only_complete_lists_in_order_are_valid() {
    assert!(acl(&FULL).is_ok());
    for missing in 0..FULL.len() {
        let mut entries = FULL.to_vec();
        let (tag, _) = entries.remove(missing);
        assert_eq!(acl(&entries).is_ok(), matches!(tag, Tag::User(_) | Tag::Group(_)), "without {tag:?}");
    }
    for at in 1..FULL.len() {
        let mut entries = FULL.to_vec();
        entries.swap(at - 1, at);
        assert_eq!(acl(&entries).is_ok(), at == 4, "groups may stand in any order");
    }
    let mut entries = FULL.to_vec();
    entries[1].1 = 8;
    assert!(acl(&entries).is_err());
    entries[1] = (Tag::User(u32::MAX), 1);
    assert!(acl(&entries).is_err());
    entries[1] = (Tag::UserObj, 1);
    assert!(acl(&entries).is_err(), "one owner");
    assert!(acl(&[]).is_err());
}

#[test]
fn a_list_and_its_mode_say_the_same() {
    for mode in 0..=0o777 {
        let minimal = Acl::from_mode(mode);
        assert!(minimal.is_minimal() && minimal.mode() == mode);
        let mut full = acl(&FULL).expect("valid");
        full.set_mode(mode);
        assert_eq!(full.mode(), mode);
        assert_eq!(full.entries()[2].perm, 5, "the mask stands for the group");
        assert_eq!(Acl::decode(&full.encode()), Ok(full));
    }
    assert_eq!(acl(&FULL).expect("valid").mode(), 0o764);
}

#[test]
fn new_files_get_no_more_than_was_asked_for() {
    let default = acl(&FULL).expect("valid");
    let file = inherited(Some(&default), FileType::Regular, 0o4640, 0o777);
    assert_eq!(file.mode, 0o4640, "the umask has no say");
    let access = file.access.expect("named entries stay");
    assert_eq!(access.mode(), 0o640);
    assert_eq!(access.entries()[1].perm, 6);
    assert_eq!(file.default, None);
    let dir = inherited(Some(&default), FileType::Directory, 0o777, 0o777);
    assert_eq!((dir.mode, dir.default), (0o764, Some(default.clone())));
    assert_eq!(dir.access, Some(default.clone()));
    let short = inherited(Some(&Acl::from_mode(0o751)), FileType::Regular, 0o666, 0);
    assert_eq!((short.mode, short.access), (0o640, None), "nothing is left to keep");
    let link = inherited(Some(&default), FileType::Symlink, 0o777, 0o077);
    assert_eq!((link.mode, link.access, link.default), (0o777, None, None));
    assert_eq!(inherited(None, FileType::Regular, 0o2666, 0o027).mode, 0o2640);
}

#[test]
fn lists_are_shown_to_programs_and_taken_from_them() {
    let full = acl(&FULL).expect("valid");
    let shown = full.to_shown();
    assert_eq!(shown.len(), 4 + 8 * full.entries().len());
    assert!(shown.starts_with(b"\x02\0\0\0\x01\0"), "a version, then the owner's entry, both little-endian");
    assert_eq!(Acl::from_shown(&shown), Ok(Some(full)));
    assert_eq!(Acl::from_shown(&[2, 0, 0, 0]), Ok(None));
    assert!(Acl::from_shown(&[1, 0, 0, 0]).is_err());
    assert!(Acl::from_shown(&shown[..shown.len() - 1]).is_err());
    for at in 4..shown.len() {
        let mut value = shown.clone();
        value[at] = 0x80;
        let id = (at - 4) % 8 >= 4;
        assert!(Acl::from_shown(&value).is_err() || id, "byte {at}");
    }
}
