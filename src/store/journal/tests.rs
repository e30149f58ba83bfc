//! Records and scans, byte by byte.

use std::convert::Infallible;
use std::path::Path;

use super::frame::{Frame, Kind, Origin};
use super::managed::{AddedRecord, AddedTarget, DefinitionRecord, RecoveryRecord};
use super::record::{Record, StateRecord, WebhookRecord, Why};
use super::scan::{Hole, Walked, walk};
use super::segment::{self, Found, HEADER_BYTES, Header};
use super::writer::{Batch, Writer};
use super::{Location, Position};
use crate::model::{
    Attempt, Body, BodyState, DeliveryId, DeliveryState, Event, EventId, Exchange, Failure,
    HeaderList, Outcome, Reply, RequestPart, ResponsePart, RuleRef, Secret, Timestamp, Verdict,
    WebhookId, WebhookState, WebhookStatus,
};
use crate::store::{Recovery, RecoverySpec, RecoveryStatus};

const STORE_ID: [u8; 16] = [7; 16];
const ORIGIN: Origin = Origin { store_id: STORE_ID, segment: 3 };

fn id(n: u128) -> uuid::Uuid {
    uuid::Uuid::from_u128(n)
}

fn event() -> Record {
    let event = Event {
        id: EventId::from_uuid(id(1)),
        ordinal: 12,
        time: Timestamp::from_millis(5),
        subject: Some("invoice \"7\"".to_owned()),
        depth: 1,
        is_test: false,
        rule: RuleRef { id: -1, label: "a.b".to_owned(), tag: None },
        exchange: Exchange {
            request: RequestPart {
                method: "POST".to_owned(),
                url: "/x?\u{e9}".to_owned(),
                params: vec![("a".to_owned(), String::new())],
                headers: HeaderList(vec![("x".to_owned(), vec![0xff, 0, b'"'])]),
                body: Body {
                    bytes: vec![1, 2, 3],
                    size: 900,
                    state: BodyState::Truncated,
                    ..Body::none()
                },
            },
            response: ResponsePart {
                status: 204,
                headers: HeaderList::default(),
                body: Body::complete(vec![0xfe; 9]),
            },
        },
        deliveries: vec![
            (DeliveryId::from_uuid(id(2)), WebhookId::from_uuid(id(3))),
            (DeliveryId::from_uuid(id(4)), WebhookId::from_uuid(id(5))),
        ],
    };
    let ordered = vec![DeliveryId::from_uuid(id(4))];
    Record::Event { event, committed_at: Timestamp::from_millis(6), ordered }
}

fn standing() -> Record {
    Record::Webhook(WebhookRecord {
        webhook_id: WebhookId::from_uuid(id(3)),
        state: WebhookState {
            status: WebhookStatus::Disabled,
            reason: Some("410".to_owned()),
            since: Timestamp::from_millis(4),
            overrides_file: false,
            rests_until: None,
        },
        at: Timestamp::from_millis(5),
    })
}

fn attempt(overtaken: bool) -> Record {
    let attempt = Attempt {
        delivery_id: DeliveryId::from_uuid(id(2)),
        number: 3,
        started_at: Timestamp::from_millis(7),
        duration_ms: 8,
        outcome: Outcome::Failed {
            failure: Failure::Rejected { status: 500 },
            reply: Some(Reply { status: 500, body: vec![0, 255], ..Reply::default() }),
        },
        verdict: Verdict::Retry { at: Timestamp::from_millis(9) },
    };
    Record::Attempt { attempt, overtaken }
}

fn state() -> Record {
    Record::State(StateRecord {
        delivery_id: DeliveryId::from_uuid(id(2)),
        state: DeliveryState::Cancelled,
        due: Timestamp::from_millis(1),
        attempts: 2,
        failures: 1,
        at: Timestamp::from_millis(3),
        why: Why::Cancel,
        error: None,
        carried_bytes: None,
    })
}

fn definition(text: Option<&str>) -> Record {
    Record::Definition(DefinitionRecord {
        webhook_id: WebhookId::from_uuid(id(3)),
        text: text.map(Secret::new),
        at: Timestamp::from_millis(5),
    })
}

fn added() -> Record {
    let target = |n, chain| AddedTarget {
        id: DeliveryId::from_uuid(id(n)),
        webhook_id: WebhookId::from_uuid(id(n + 1)),
        chain,
    };
    Record::Added(AddedRecord {
        event_id: EventId::from_uuid(id(1)),
        deliveries: vec![target(4, None), target(6, Some([7; 12]))],
        at: Timestamp::from_millis(5),
    })
}

fn recovery() -> Record {
    let spec = RecoverySpec {
        webhook: WebhookId::from_uuid(id(3)),
        since: Some(Timestamp::from_millis(1)),
        until: None,
        state: DeliveryState::Failed,
        backfill: true,
    };
    let recovery = Recovery {
        id: id(9),
        spec,
        count: 5,
        n_done: 2,
        status: RecoveryStatus::Running,
        started_at: Timestamp::from_millis(6),
        ended_at: None,
    };
    Record::Recovery(RecoveryRecord { recovery, next: 7, end: 8, at: Timestamp::from_millis(9) })
}

#[test]
fn the_secrets_of_a_definition_are_not_shown() {
    let shown = format!("{:?}", definition(Some("whsec_0123")));
    assert!(!shown.contains("0123"), "{shown}");
}

/// Frames of these payloads as they stand behind a header, with their places.
fn frames(payloads: &[&[u8]]) -> (Vec<u8>, Vec<Location>) {
    let at = Position { segment: ORIGIN.segment, offset: HEADER_BYTES, next_seq: 10 };
    let mut batch = Batch::at(at, STORE_ID);
    let places = payloads
        .iter()
        .map(|payload| batch.push(Kind::State, |out| out.extend_from_slice(payload)))
        .collect();
    (batch.bytes().to_vec(), places)
}

fn scan(bytes: &[u8]) -> (Walked, Vec<u64>) {
    scan_from(bytes, HEADER_BYTES, ORIGIN, None)
}

fn scan_from(bytes: &[u8], offset: u64, origin: Origin, fence: Option<u64>) -> (Walked, Vec<u64>) {
    let mut seen = Vec::new();
    let visit = |frame: &Frame<'_>| {
        seen.push(frame.seq);
        Ok::<(), Infallible>(())
    };
    let walked = match walk(bytes, offset, origin, 10, fence, visit) {
        Ok(walked) => walked,
        Err(never) => match never {},
    };
    (walked, seen)
}

#[test]
fn every_record_is_read_as_it_was_written() {
    let managed = [definition(Some("{\"x\": 1}")), definition(None), added(), recovery()];
    let records = [event(), attempt(false), attempt(true), state(), standing()];
    for record in records.into_iter().chain(managed) {
        let mut payload = Vec::new();
        record.encode(&mut payload);
        let location = Location { segment: 1, offset: 48, len: 0 };
        let frame = Frame { kind: record.kind(), seq: 1, payload: &payload, location };
        assert_eq!(Record::decode(&frame).expect("readable"), record);
        for len in 0..payload.len() {
            // Shorter, it is an error or (bodies cut: the checksum's business) another event.
            let frame = Frame { payload: &payload[..len], ..frame };
            assert!(Record::decode(&frame).map_or(true, |read| read != record));
        }
    }
}

/// As it was written before events had subjects and webhooks an order.
const OLD_EVENT: &str = r#"{"id":"evt_00000000000000000000000000000001","ordinal":12,"time":"1970-01-01T00:00:00.005Z","committed_at":"1970-01-01T00:00:00.006Z","rule":{"id":-1,"label":"a.b"},"deliveries":[{"id":"00000000-0000-0000-0000-000000000002","webhook_id":"wh_00000000000000000000000000000003"}],"request_body_len":1,"exchange":{"request":{"method":"POST","url":"/x","params":[],"headers":[],"body":{"size":1,"state":"complete"}},"response":{"status":204,"headers":[],"body":{"size":1,"state":"complete"}}}}"#;

#[test]
fn an_event_of_before_subjects_and_order_is_read() {
    let len = u32::try_from(OLD_EVENT.len()).expect("small");
    let payload = [&len.to_le_bytes()[..], OLD_EVENT.as_bytes(), b"12"].concat();
    let location = Location { segment: 1, offset: 48, len: 0 };
    let frame = Frame { kind: Kind::Event, seq: 1, payload: &payload, location };
    let read = Record::decode(&frame).expect("readable");
    let Record::Event { event, ordered, .. } = read else { panic!("not an event: {read:?}") };
    assert_eq!((event.subject, event.depth, ordered), (None, 0, Vec::new()));
    assert_eq!((event.ordinal, event.deliveries.len()), (12, 1));
    assert_eq!(event.exchange.response.body.bytes, b"2");
}

#[test]
fn a_tail_torn_at_any_byte_costs_only_the_torn_record() {
    let (bytes, places) = frames(&[b"one", b"two", b"a longer third"]);
    let last = usize::try_from(places[2].offset - HEADER_BYTES).expect("small");
    for end in last..bytes.len() {
        let mut torn = bytes[..end].to_vec();
        for filler in [&b""[..], &[0; 64], b"\x01\x02\x03garbage garbage garbage"] {
            torn.truncate(end);
            torn.extend_from_slice(filler);
            let (walked, seen) = scan(&torn);
            assert_eq!(seen, [10, 11], "cut at {end}");
            assert_eq!((walked.end, walked.next_seq), (places[2].offset, 12));
            assert_eq!(walked.tail_bytes, (torn.len() - last) as u64);
            assert!(walked.holes.is_empty());
        }
    }
}

#[test]
fn a_flip_of_any_bit_is_found_and_measured() {
    let (bytes, places) = frames(&[b"one", b"two", b"three", b"four"]);
    for at in 0..bytes.len() {
        for bit in 0..8 {
            let mut flipped = bytes.clone();
            flipped[at] ^= 1 << bit;
            let (walked, seen) = scan(&flipped);
            let offset = HEADER_BYTES + at as u64;
            let hit = places.iter().rposition(|p| p.offset <= offset).expect("in a record");
            let expected: Vec<u64> = (10..14).filter(|&seq| seq != 10 + hit as u64).collect();
            assert_eq!(seen, expected, "byte {at}, bit {bit}");
            let place = places[hit];
            if hit == 3 {
                assert_eq!(walked.tail_bytes, u64::from(place.len));
            } else {
                let (from, to) = (place.offset, place.offset + u64::from(place.len));
                let first_seq = 10 + hit as u64;
                let hole = Hole { from, to, first_seq, next_seq: first_seq + 1 };
                assert_eq!(walked.holes, [hole], "byte {at}, bit {bit}");
            }
        }
    }
}

#[test]
fn a_record_in_the_wrong_place_is_no_record() {
    let (bytes, _) = frames(&[b"one"]);
    assert_eq!(scan(&bytes).1, [10]);
    assert!(scan_from(&bytes, HEADER_BYTES + 1, ORIGIN, None).1.is_empty(), "another offset");
    let other = Origin { segment: 4, ..ORIGIN };
    assert!(scan_from(&bytes, HEADER_BYTES, other, None).1.is_empty(), "another segment");
    let other = Origin { store_id: [8; 16], ..ORIGIN };
    assert!(scan_from(&bytes, HEADER_BYTES, other, None).1.is_empty(), "another store");
}

#[test]
fn what_a_later_segment_has_taken_over_is_not_read_here() {
    let (bytes, places) = frames(&[b"one", b"two", b"three"]);
    let (walked, seen) = scan_from(&bytes, HEADER_BYTES, ORIGIN, Some(12));
    assert_eq!(seen, [10, 11]);
    assert_eq!((walked.end, walked.holes.len()), (places[2].offset, 0));
}

#[test]
fn a_hole_in_the_numbers_is_told() {
    let (bytes, places) = frames(&[b"one", b"two", b"three"]);
    let mut gone = bytes;
    let at = |i: usize| usize::try_from(places[i].offset - HEADER_BYTES).expect("small");
    gone[at(1)..at(2)].fill(0);
    let (walked, seen) = scan(&gone);
    assert_eq!(seen, [10, 12]);
    assert_eq!((walked.holes[0].first_seq, walked.holes[0].next_seq), (11, 12));
}

#[test]
fn headers_are_sound_newer_or_bad() {
    let header = Header { format: segment::FORMAT, store_id: STORE_ID, number: 3, first_seq: 9 };
    let bytes = header.encode();
    assert_eq!(Header::decode(&bytes), Found::Sound(header));
    for at in 0..bytes.len() {
        let mut flipped = bytes;
        flipped[at] ^= 4;
        assert_eq!(Header::decode(&flipped), Found::Bad, "byte {at}");
        assert_eq!(Header::decode(&bytes[..at]), Found::Bad, "{at} bytes");
    }
}

fn write(writer: &mut Writer, payload: &[u8]) -> Location {
    let mut batch = writer.batch(payload.len() as u64).expect("room");
    let at = batch.push(Kind::State, |out| out.extend_from_slice(payload));
    writer.append(&batch).expect("written");
    at
}

fn seqs(dir: &Path, number: u64, fence: Option<u64>, first: u64) -> Vec<u64> {
    let bytes = std::fs::read(segment::path(dir, number)).expect("read");
    let origin = Origin { store_id: STORE_ID, segment: number };
    let mut seen = Vec::new();
    let header = usize::try_from(HEADER_BYTES).expect("small");
    let walked = walk(&bytes[header..], HEADER_BYTES, origin, first, fence, |frame| {
        seen.push(frame.seq);
        Ok::<(), Infallible>(())
    });
    assert!(walked.is_ok());
    seen
}

#[test]
fn segments_are_filled_one_after_the_other() {
    let dir = tempfile::tempdir().expect("a directory");
    let at = Position { segment: 1, offset: 0, next_seq: 1 };
    let mut writer = Writer::open(dir.path(), STORE_ID, 200, at).expect("open");
    let places: Vec<_> = (0..6).map(|_| write(&mut writer, &[b'x'; 60]).segment).collect();
    assert_eq!(places, [1, 2, 3, 4, 5, 6].map(|n| u64::div_ceil(n, 2)));
    assert_eq!(segment::list(dir.path()).expect("listed"), [1, 2, 3]);
    assert_eq!(seqs(dir.path(), 2, Some(5), 3), [3, 4]);
}

#[test]
fn after_a_failed_write_the_segment_is_cut_and_a_new_one_begun() {
    let dir = tempfile::tempdir().expect("a directory");
    let at = Position { segment: 1, offset: 0, next_seq: 1 };
    let mut writer = Writer::open(dir.path(), STORE_ID, 1 << 20, at).expect("open");
    write(&mut writer, b"good");
    let end = writer.position();
    writer.fail_next();
    let mut batch = writer.batch(9).expect("room");
    batch.push(Kind::State, |out| out.extend_from_slice(b"told as failed"));
    assert!(writer.append(&batch).is_err());
    assert!(writer.is_broken() && writer.position() == end);
    assert!(writer.append(&batch).is_err(), "nothing is written until it is repaired");
    writer.repair().expect("repaired");
    let place = write(&mut writer, b"again");
    assert_eq!((place.segment, place.offset), (2, HEADER_BYTES));
    assert_eq!(std::fs::metadata(segment::path(dir.path(), 1)).expect("there").len(), end.offset);
    assert_eq!(seqs(dir.path(), 2, None, 2), [2]);

    // In an empty segment its number is used again, so that none is missing.
    writer.roll().expect("rolled");
    writer.fail_next();
    let batch = writer.batch(0).expect("room");
    assert!(writer.append(&batch).is_err());
    writer.repair().expect("repaired");
    assert_eq!(writer.position().segment, 3);
    assert_eq!(segment::list(dir.path()).expect("listed"), [1, 2, 3]);
}
