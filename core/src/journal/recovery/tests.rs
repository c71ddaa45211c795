//! Logs written by hand: every position of the head, and everything that may stand before it.

use alloc::boxed::Box;
use alloc::string::ToString;
use alloc::sync::Arc;
use alloc::vec;

use zerocopy::{FromBytes, IntoBytes};

use super::record::header_in;
use super::ring::BB;
use super::*;
use crate::device::MemoryDevice;
use crate::format::crc::Crc32c;
use crate::format::header::{be_u32, put};
use crate::format::log::{OpHeader, RECORD_MAGIC, RecordHeader};
use crate::format::log_item::{CLIENT_LOG, CLIENT_TRANSACTION, TransactionHeader, op_flags};
use crate::geometry::Geometry;
use crate::geometry::tests::sample;
use crate::journal::Store;
use crate::journal::log_state::{LogState, log_state};
use crate::units::FsBlock;

const LOG_FSBLOCKS: u32 = 64;
const LOG_START: u64 = 16;
/// Basic blocks of the log.
const LEN: u32 = LOG_FSBLOCKS * 2;

fn geometry() -> Geometry {
    Geometry {
        agblocks: 128,
        agblklog: 7,
        dblocks: 128,
        logstart: FsBlock(LOG_START),
        logblocks: LOG_FSBLOCKS,
        uuid: uuid::Uuid::from_u128(7),
        ..sample()
    }
}

/// A log in the making; the whole of it is of the cycle before the first.
struct Writer {
    bytes: Vec<u8>,
    cycle: u32,
    head: u32,
    tail: Lsn,
}

/// One operation.
fn op(tid: u32, flags: u8, bytes: &[u8]) -> Vec<u8> {
    let clientid = if flags & op_flags::UNMOUNT != 0 { CLIENT_LOG } else { CLIENT_TRANSACTION };
    let header =
        OpHeader { tid: tid.into(), len: (bytes.len() as u32).into(), clientid, flags, res2: [0; 2] };
    [header.as_bytes(), bytes].concat()
}

/// The start of a transaction.
fn start(tid: u32) -> [Vec<u8>; 2] {
    let header = TransactionHeader {
        magic: crate::format::log_item::TRANSACTION_MAGIC.into(),
        type_: crate::format::log_item::CHECKPOINT.into(),
        tid: tid.into(),
        num_items: 0.into(),
    };
    [op(tid, op_flags::START, &[]), op(tid, 0, header.as_bytes())]
}

impl Writer {
    fn new(cycle: u32, head: u32) -> Self {
        let mut bytes = vec![0; LEN as usize * BB];
        for block in 0..LEN {
            let stamp = if block < head { cycle } else { cycle - 1 };
            put(&mut bytes, block as usize * BB, &stamp.to_be_bytes());
        }
        Self { bytes, cycle, head, tail: Lsn::new(cycle, head) }
    }

    /// Writes a record of these operations, padded to `payload_bb` blocks; returns where it starts.
    fn record(&mut self, ops: &[Vec<u8>], payload_bb: u32) -> u32 {
        let at = self.head;
        let mut payload = ops.concat();
        payload.resize(payload_bb as usize * BB, 0);
        let mut header = RecordHeader {
            magicno: RECORD_MAGIC.into(),
            cycle: self.cycle.into(),
            version: 2.into(),
            len: (payload_bb * 512).into(),
            lsn: Lsn::new(self.cycle, at).0.into(),
            tail_lsn: self.tail.0.into(),
            crc: [0; 4],
            prev_block: 0.into(),
            num_logops: (ops.len() as u32).into(),
            cycle_data: [0.into(); 64],
            fmt: 1.into(),
            fs_uuid: *geometry().uuid.as_bytes(),
            size: 32768.into(),
        };
        for (index, sector) in payload.chunks_exact_mut(BB).enumerate() {
            header.cycle_data[index] = be_u32(sector, 0).into();
            let wrapped = u32::from(at + 1 + index as u32 >= LEN);
            put(sector, 0, &(self.cycle + wrapped).to_be_bytes());
        }
        let mut bytes = vec![0; BB];
        put(&mut bytes, 0, header.as_bytes());
        let crc = Crc32c::new().update(&bytes[..328]).update(&payload).finish();
        put(&mut bytes, 32, &crc.to_le_bytes());
        bytes.extend(payload);
        for sector in bytes.chunks_exact(BB) {
            put(&mut self.bytes, self.head as usize * BB, sector);
            self.head += 1;
            if self.head == LEN {
                self.head = 0;
                self.cycle += 1;
            }
        }
        at
    }

    fn changes(&mut self, payload_bb: u32) -> u32 {
        let [a, b] = start(9);
        self.record(&[a, b, op(9, op_flags::COMMIT, &[])], payload_bb)
    }

    fn unmount(&mut self) -> u32 {
        self.record(&[op(1, op_flags::UNMOUNT, &[0; 8])], 1)
    }

    fn device(&self) -> Vec<u8> {
        let mut device = vec![0; 128 << 10];
        put(&mut device, (LOG_START << 10) as usize, &self.bytes);
        device
    }

    fn state(&self) -> LogState {
        let device = Box::new(MemoryDevice::new(self.device()));
        let mut store = Store::new(device, Arc::new(geometry()), vec![0; 512], 1 << 20);
        log_state(&mut store).expect("device in memory")
    }

    fn ends(&self) -> Option<(u32, u32)> {
        match self.state() {
            LogState::Dirty { head, tail, .. } => Some((tail?.block_bb(), head?.block_bb())),
            LogState::Clean { head } => Some((head.block_bb(), head.block_bb())),
            LogState::External => None,
        }
    }
}

#[test]
fn unmounted_is_clean_wherever_the_head_is() {
    for head in 0..LEN {
        let mut log = Writer::new(5, head);
        let first = log.changes(4);
        assert_eq!(log.ends(), Some((first, log.head)), "changes at {head}");
        log.unmount();
        assert_eq!(
            log.state(),
            LogState::Clean { head: Lsn::new(log.cycle, log.head) },
            "unmounted at {head}"
        );
        log.tail = Lsn::new(log.cycle, log.head);
        let second = log.changes(1);
        assert_eq!(log.ends(), Some((second, log.head)), "changes again at {head}");
    }
}

#[test]
fn a_log_of_zeros_is_clean_and_one_without_records_is_not() {
    let mut log = Writer::new(1, 0);
    log.bytes.fill(0);
    assert_eq!(log.state(), LogState::Clean { head: Lsn::new(1, 0) });
    assert!(matches!(Writer::new(3, 17).state(), LogState::Dirty { tail: None, .. }));
}

#[test]
fn what_is_torn_at_the_head_never_was() {
    for head in 0..LEN {
        for torn in 0..3 {
            let mut log = Writer::new(5, head);
            log.unmount();
            log.tail = Lsn::new(log.cycle, log.head);
            let whole = log.changes(2);
            let end = log.head;
            let starts = [log.changes(3), log.changes(1), log.changes(5)];
            // One block of one of the last records did not land.
            let at = (starts[torn] + 1) % LEN;
            log.bytes[at as usize * BB + 300] ^= 1;
            assert_eq!(log.ends(), Some((whole, starts[torn])), "head {head}, record {torn}");
            assert!(torn > 0 || starts[torn] == end);
        }
    }
}

#[test]
fn the_first_hole_is_the_head() {
    for head in 0..LEN {
        let mut log = Writer::new(5, head);
        log.unmount();
        log.tail = Lsn::new(log.cycle, log.head);
        let whole = log.changes(2);
        let lost = log.changes(3);
        log.changes(2);
        for block in 0..4 {
            let at = (lost + block) % LEN;
            let cycle = if at >= head { 4_u32 } else { 5 };
            log.bytes[at as usize * BB..(at as usize + 1) * BB].fill(0);
            put(&mut log.bytes, at as usize * BB, &cycle.to_be_bytes());
        }
        assert_eq!(log.ends(), Some((whole, lost)), "head {head}");
    }
}

/// A record goes around the end of the log, and only what is behind that has landed: the record before it is the last.
#[test]
fn half_a_record_at_the_start_does_not_count() {
    for before in 1..5 {
        let mut log = Writer::new(5, LEN - before - 40);
        let oldest = log.head;
        for _ in 0..10 {
            log.changes(3);
        }
        let lost = log.changes(5);
        assert_eq!((lost, log.head), (LEN - before, 6 - before));
        for at in lost..LEN {
            log.bytes[at as usize * BB..(at as usize + 1) * BB].fill(0);
            put(&mut log.bytes, at as usize * BB, &4_u32.to_be_bytes());
        }
        assert_eq!(log.ends(), Some((oldest, lost)), "{before} blocks before the end");
    }
}

#[test]
fn what_lies_ahead_of_the_head_is_cleared() {
    for head in 0..LEN {
        let mut log = Writer::new(5, head);
        log.unmount();
        log.tail = Lsn::new(log.cycle, log.head);
        let whole = log.changes(2);
        let lost = log.changes(3);
        let leftover = log.changes(2);
        log.bytes[lost as usize * BB + 300] ^= 1;
        let mut device = MemoryDevice::new(log.device());
        let recovered = plan(&mut device, &geometry()).expect("plan").replay(&mut device, &geometry());
        assert_eq!(recovered.expect("replay").position.head.block_bb(), lost);
        let sector = ((LOG_START << 10) as usize + leftover as usize * BB)..;
        let stub = header_in(&device.bytes()[sector][..BB], leftover).expect("a header");
        assert_eq!((stub.len.get(), stub.num_logops.get()), (0, 0));
        let again = plan(&mut device, &geometry()).expect("plan");
        assert_eq!(again.ends().0.block_bb(), whole);
        assert_eq!(again.ends().1.block_bb(), lost, "head {head}");
    }
}

#[test]
fn an_unmount_record_that_does_not_reach_the_head_does_not_count() {
    let mut log = Writer::new(5, 20);
    log.unmount();
    put(&mut log.bytes, log.head as usize * BB, &5_u32.to_be_bytes());
    assert!(matches!(log.state(), LogState::Dirty { .. }));
}

#[test]
fn a_torn_or_foreign_record_is_no_unmount() {
    for (at, value) in [(32, 1), (304, 1)] {
        let mut log = Writer::new(5, 20);
        log.unmount();
        log.bytes[20 * BB + at] ^= value;
        assert!(matches!(log.state(), LogState::Dirty { .. }), "byte {at}");
    }
}

#[test]
fn an_item_that_is_not_known_is_refused_by_its_type() {
    let mut log = Writer::new(5, 20);
    let [a, b] = start(9);
    let unknown = [0x99, 0x12, 1, 0, 0, 0, 0, 0];
    log.record(&[a, b, op(9, 0, &unknown), op(9, op_flags::COMMIT, &[])], 2);
    let before = log.device();
    let mut device = MemoryDevice::new(before.clone());
    let error = plan(&mut device, &geometry()).expect_err("refused");
    assert_eq!(error.to_string(), "unsupported: log item of type 0x1299");
    assert!(device.bytes() == before);
}

/// Changes of quota counts are left out, and that is told.
#[test]
fn changes_of_dquots_are_left_out_with_a_warning() {
    let mut log = Writer::new(5, 20);
    let [a, b] = start(9);
    let mut format = vec![0; 24];
    put(&mut format, 0, &[0x3d, 0x12, 2, 0]);
    log.record(&[a, b, op(9, 0, &format), op(9, 0, &[0x44; 104]), op(9, op_flags::COMMIT, &[])], 2);
    let plan = plan(&mut MemoryDevice::new(log.device()), &geometry()).expect("plan");
    assert_eq!((plan.counts().checkpoints, plan.intents().len()), (1, 0));
    assert!(
        plan.survey.warnings.iter().any(|line| line.contains("quota counts")),
        "{:?}",
        plan.survey.warnings
    );
}

#[test]
fn what_was_never_committed_is_not_looked_at() {
    let mut log = Writer::new(5, 20);
    let [a, b] = start(9);
    log.record(&[a, b, op(9, 0, &[0x99, 0x12, 1, 0, 0, 0, 0, 0])], 2);
    let mut device = MemoryDevice::new(log.device());
    assert_eq!(plan(&mut device, &geometry()).expect("plan").counts().checkpoints, 0);
}

#[test]
fn another_byte_order_is_refused_by_name() {
    let mut log = Writer::new(5, 20);
    log.changes(1);
    log.bytes[20 * BB + 303] = 2;
    let error = plan(&mut MemoryDevice::new(log.device()), &geometry()).expect_err("refused");
    assert_eq!(error.to_string(), "unsupported: log written by a big-endian machine");
}

/// Whatever single bytes become of a log, finding out what it holds ends in an answer or an error.
#[test]
fn damage_is_told_or_does_not_matter() {
    let mut log = Writer::new(5, 100);
    for payload_bb in [3, 1, 7, 2, 5, 1] {
        log.changes(payload_bb);
    }
    let geometry = geometry();
    let clean = log.device();
    let mut seed = 7_u64;
    for _ in 0..4000 {
        let mut bytes = clean.clone();
        for _ in 0..3 {
            seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            let at = (LOG_START << 10) as usize + (seed >> 33) as usize % log.bytes.len() / BB * BB;
            let inside = [(seed >> 20) as usize % 48, (seed >> 20) as usize % 512][(seed >> 5) as usize % 2];
            bytes[at + inside] = (seed >> 12) as u8;
        }
        let mut device = MemoryDevice::new(bytes);
        if let Ok(plan) = plan(&mut device, &geometry) {
            let _ = plan.replay(&mut device, &geometry);
        }
    }
    assert!(RecordHeader::read_from_prefix(&clean).is_ok());
}
