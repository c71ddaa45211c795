//! The option sets of mkfs.xfs that every crossing test runs over: plain data.

use crate::referee::Xfsprogs;

/// One way to make a volume.
#[derive(Debug, Clone, Copy)]
pub struct OptionSet {
    /// Names the tests of this set.
    pub name: &'static str,
    /// Who makes the volume.
    pub version: Xfsprogs,
    /// Size of the image in bytes.
    pub size_bytes: u64,
    /// Arguments of mkfs.xfs.
    pub args: &'static [&'static str],
    /// Size of a fsblock in bytes.
    pub block_bytes: u64,
    /// Whether blocks can be shared.
    pub reflink: bool,
    /// Whether times reach to the year 2486 (else to 2038).
    pub bigtime: bool,
    /// What of it xfskit can change.
    pub written: Written,
}

/// What of a volume xfskit can change.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Written {
    /// Everything.
    All,
    /// Nothing.
    Nothing,
}

const MIB: u64 = 1 << 20;

/// What most sets share.
const BASE: OptionSet = OptionSet {
    name: "",
    version: Xfsprogs::V6_1,
    size_bytes: 512 * MIB,
    args: &[],
    block_bytes: 4096,
    reflink: true,
    bigtime: true,
    written: Written::All,
};

const NEW: OptionSet = OptionSet { version: Xfsprogs::V7_2, ..BASE };

/// All option sets.
pub const OPTION_SETS: &[OptionSet] = &[
    OptionSet { name: "default_old", ..BASE },
    OptionSet { name: "default_new", ..NEW },
    OptionSet { name: "new_without_parents", args: &["-n", "parent=0"], ..NEW },
    OptionSet {
        name: "rmapbt_nrext64",
        args: &["-m", "rmapbt=1,inobtcount=1,bigtime=1", "-i", "nrext64=1"],
        ..BASE
    },
    OptionSet {
        name: "bare",
        args: &["-m", "finobt=0,reflink=0,rmapbt=0,inobtcount=0,bigtime=0", "-i", "sparse=0"],
        reflink: false,
        bigtime: false,
        ..BASE
    },
    OptionSet {
        name: "reflink_without_finobt",
        args: &["-m", "finobt=0,inobtcount=0,reflink=1,bigtime=0"],
        bigtime: false,
        ..BASE
    },
    OptionSet {
        name: "rmapbt_without_reflink",
        args: &["-m", "rmapbt=1,reflink=0", "-n", "parent=0"],
        reflink: false,
        ..NEW
    },
    OptionSet {
        name: "blocks_1k_dirs_64k",
        args: &["-b", "size=1k", "-n", "size=64k", "-m", "rmapbt=1"],
        block_bytes: 1024,
        ..BASE
    },
    OptionSet {
        name: "blocks_1k_new",
        args: &["-b", "size=1k", "-n", "parent=0", "-d", "agcount=7"],
        block_bytes: 1024,
        ..NEW
    },
    OptionSet {
        name: "blocks_2k_inodes_1k",
        args: &["-b", "size=2k", "-i", "size=1024", "-m", "rmapbt=1"],
        block_bytes: 2048,
        ..BASE
    },
    OptionSet {
        name: "blocks_16k_dirs_64k",
        args: &["-b", "size=16k", "-n", "size=64k", "-i", "size=2048"],
        block_bytes: 16384,
        ..BASE
    },
    OptionSet {
        name: "blocks_32k_sectors_4k_new",
        args: &["-b", "size=32k", "-s", "size=4096", "-n", "parent=1"],
        block_bytes: 32768,
        ..NEW
    },
    OptionSet { name: "blocks_64k", args: &["-b", "size=64k", "-n", "parent=0"], block_bytes: 65536, ..NEW },
    OptionSet { name: "sectors_4k", args: &["-s", "size=4096", "-m", "rmapbt=1"], ..BASE },
    OptionSet {
        name: "inodes_2k_dirs_64k",
        args: &["-i", "size=2048", "-n", "size=64k,parent=0", "-m", "rmapbt=1,bigtime=1"],
        ..NEW
    },
    OptionSet {
        name: "hundreds_of_ags",
        args: &["--unsupported", "-n", "parent=0", "-d", "agcount=200", "-l", "size=13m"],
        size_bytes: 4096 * MIB,
        ..NEW
    },
    OptionSet {
        name: "one_ag",
        args: &["--unsupported", "-d", "agcount=1", "-m", "rmapbt=1"],
        size_bytes: 96 * MIB,
        ..BASE
    },
    OptionSet {
        name: "stripes",
        args: &["-d", "su=64k,sw=4", "-l", "su=32k", "-m", "rmapbt=1"],
        size_bytes: 1024 * MIB,
        ..BASE
    },
    OptionSet { name: "metadir", args: &["-m", "metadir=1"], written: Written::Nothing, ..NEW },
];

impl OptionSet {
    /// The set of that name.
    ///
    /// # Panics
    /// If there is none.
    pub fn named(name: &str) -> &'static Self {
        OPTION_SETS.iter().find(|set| set.name == name).unwrap_or_else(|| panic!("no option set {name}"))
    }

    /// A UUID of the set's own, so that the images are the same in every run.
    pub fn uuid_option(&self) -> String {
        let mut rng = crate::rng::Rng::named(1, self.name);
        let (high, low) = (rng.bits(), rng.bits());
        let digits = format!("{high:016x}{low:016x}");
        format!(
            "uuid={}-{}-4{}-8{}-{}",
            &digits[..8],
            &digits[8..12],
            &digits[13..16],
            &digits[17..20],
            &digits[20..32]
        )
    }
}

/// Makes one test per option set, each calling `$check` with its [`OptionSet`].
#[macro_export]
macro_rules! for_each_option_set {
    ($check:path) => {
        $crate::for_each_option_set!(@ $check:
            default_old default_new new_without_parents rmapbt_nrext64 bare reflink_without_finobt
            rmapbt_without_reflink blocks_1k_dirs_64k blocks_1k_new blocks_2k_inodes_1k blocks_16k_dirs_64k
            blocks_32k_sectors_4k_new blocks_64k sectors_4k inodes_2k_dirs_64k hundreds_of_ags one_ag stripes metadir
        );
    };
    (@ $check:path: $($name:ident)+) => {
        $(
            #[test]
            fn $name() {
                $check($crate::options::OptionSet::named(stringify!($name)));
            }
        )+

        #[test]
        fn no_option_set_is_left_out() {
            let listed = [$(stringify!($name)),+];
            let all: Vec<_> = $crate::options::OPTION_SETS.iter().map(|set| set.name).collect();
            assert_eq!(all, listed);
        }
    };
}
