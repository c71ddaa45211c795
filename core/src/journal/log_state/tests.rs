//! Logs written by hand: every position of the head, and everything that may stand before it.

use alloc::boxed::Box;
use alloc::sync::Arc;

use zerocopy::IntoBytes;

use super::*;
use crate::device::MemoryDevice;
use crate::format::header::put;
use crate::geometry::Geometry;
use crate::geometry::tests::sample;
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
}

impl Writer {
    fn new(cycle: u32, head: u32) -> Self {
        let mut bytes = vec![0; LEN as usize * BB];
        for block in 0..LEN {
            let stamp = if block < head { cycle } else { cycle - 1 };
            put(&mut bytes, block as usize * BB, &stamp.to_be_bytes());
        }
        Self { bytes, cycle, head }
    }

    /// Writes one basic block at the head; the last one of the log starts the next cycle.
    fn push(&mut self, mut sector: [u8; BB], is_header: bool) {
        let at = if is_header { 4 } else { 0 };
        put(&mut sector, at, &self.cycle.to_be_bytes());
        put(&mut self.bytes, self.head as usize * BB, &sector);
        self.head += 1;
        if self.head == LEN {
            self.head = 0;
            self.cycle += 1;
        }
    }

    fn record(&mut self, op_flags: u8, ops: u32, payload_bb: u32) {
        let lsn = (u64::from(self.cycle) << 32) | u64::from(self.head);
        let header = RecordHeader {
            magicno: RECORD_MAGIC.into(),
            cycle: self.cycle.into(),
            version: 2.into(),
            len: (payload_bb * 512).into(),
            lsn: lsn.into(),
            tail_lsn: lsn.into(),
            crc: [0; 4],
            prev_block: 0.into(),
            num_logops: ops.into(),
            cycle_data: [0.into(); 64],
            fmt: 1.into(),
            fs_uuid: *geometry().uuid.as_bytes(),
            size: 32768.into(),
        };
        let mut sector = [0; BB];
        put(&mut sector, 0, header.as_bytes());
        self.push(sector, true);
        for _ in 0..payload_bb {
            let mut sector = [0; BB];
            sector[9] = op_flags;
            self.push(sector, false);
        }
    }

    fn state(&self) -> LogState {
        let mut device = vec![0; 128 << 10];
        put(&mut device, (LOG_START << 10) as usize, &self.bytes);
        let device = Box::new(MemoryDevice::new(device));
        let mut store = Store::new(device, Arc::new(geometry()), vec![0; 512], 1 << 20);
        log_state(&mut store).expect("device in memory")
    }
}

#[test]
fn unmounted_is_clean_wherever_the_head_is() {
    for head in 0..LEN {
        let mut log = Writer::new(5, head);
        log.record(0, 3, 4);
        assert!(matches!(log.state(), LogState::Dirty { .. }), "changes at {head}");
        log.record(op_flags::UNMOUNT, 1, 1);
        let head_lsn = Lsn::new(log.cycle, log.head);
        assert_eq!(log.state(), LogState::Clean { head: head_lsn }, "unmounted at {head}");
        log.record(0, 5, 1);
        assert!(matches!(log.state(), LogState::Dirty { tail: Some(_), .. }), "changes again at {head}");
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
fn an_unmount_record_that_does_not_reach_the_head_does_not_count() {
    let mut log = Writer::new(5, 20);
    log.record(op_flags::UNMOUNT, 1, 1);
    log.push([0; BB], false);
    assert!(matches!(log.state(), LogState::Dirty { .. }));
}

#[test]
fn a_torn_or_foreign_record_is_no_unmount() {
    for (at, value) in [(32, 1), (304, 1)] {
        let mut log = Writer::new(5, 20);
        log.record(op_flags::UNMOUNT, 1, 1);
        log.bytes[20 * BB + at] = value;
        assert!(matches!(log.state(), LogState::Dirty { .. }), "byte {at}");
    }
}
