//! Batches taken from librdkafka's queue without copying: the raw half of the Kafka source.
//!
//! All contact with librdkafka's C interface is in this file; what it offers outside is safe.
//! Why: docs/decisions/0003-librdkafka-batch-queue.md.
//!
//! Three facts carry the safety argument. librdkafka is thread-safe throughout. A message may be
//! destroyed on any thread, but before its client: every [`Messages`] therefore keeps its
//! [`Consumer`] alive. Callbacks run inside calls of ours ([`Consumer::serve`], dropping the
//! client) except the wake-up, which librdkafka's threads call under the queue's lock.
#![allow(unsafe_code)]

use std::collections::{BTreeSet, VecDeque};
use std::ffi::{CStr, CString, c_char, c_int, c_void};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::ptr::{NonNull, null, null_mut};
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use arrow::array::{BinaryBuilder, StringBuilder};
use brooklet_core::raw::{HeadersBuilder, Owner, RawBatch, RawRecord, TimestampType};
use brooklet_core::{Error, Result};
use rdkafka::bindings as sys;
use rdkafka::client::Client;
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::types::RDKafkaType;
use rdkafka::{ClientConfig, ClientContext, Statistics, TopicPartitionList};

type RawMessage = NonNull<sys::rd_kafka_message_t>;
/// Bytes of free memory that the C allocator keeps; the queue of fetched data holds a quarter.
#[cfg(target_env = "gnu")]
const KEPT: c_int = 32 << 20;
/// Called from librdkafka's threads: must not call back into the consumer.
pub(super) type Waker = Box<dyn Fn() + Send + Sync>;

/// What librdkafka reported beside messages.
#[derive(Debug, Default)]
pub(super) struct Health {
    /// The brokers refused our credentials.
    pub refused: Option<String>,
    /// Partitions whose leader has no connection, by topic and partition.
    pub unreachable: BTreeSet<(String, i32)>,
}

#[derive(Default)]
pub(super) struct Context {
    health: Mutex<Health>,
}

impl ClientContext for Context {}

impl Context {
    fn health(&self) -> MutexGuard<'_, Health> {
        self.health.lock().unwrap_or_else(|broken| broken.into_inner())
    }
}

/// A consumer whose partitions are assigned by hand and whose messages are taken in batches.
pub(super) struct Consumer {
    client: Client<Context>,
    queue: *mut sys::rd_kafka_queue_t,
    /// Its address is what the wake-up callback is given, hence the second box.
    _waker: Box<Waker>,
}

// SAFETY: librdkafka's client and queue handles may be used from any thread at once.
unsafe impl Send for Consumer {}
// SAFETY: as above; the waker itself is Sync.
unsafe impl Sync for Consumer {}

impl Consumer {
    /// A consumer for `config` (which needs a `group.id`); connects in the background.
    pub fn create(config: &ClientConfig, waker: Waker) -> Result<Arc<Consumer>, KafkaError> {
        keep_memory();
        let native = config.create_native_config()?;
        // SAFETY: the configuration is live; the callbacks have the types asked for and read the
        // opaque pointer that `Client::new` sets to its context.
        unsafe {
            sys::rd_kafka_conf_set_log_cb(native.ptr(), Some(on_log));
            sys::rd_kafka_conf_set_error_cb(native.ptr(), Some(on_error));
            sys::rd_kafka_conf_set_stats_cb(native.ptr(), Some(on_stats));
            sys::rd_kafka_conf_set_offset_commit_cb(native.ptr(), Some(on_commit));
        }
        let kind = RDKafkaType::RD_KAFKA_CONSUMER;
        let client = Client::new(config, native, kind, Context::default())?;
        let waker = Box::new(waker);
        // SAFETY: the client is live. The queue is NULL only without group.id, checked below. The
        // waker lives until the callback is taken away in `drop`.
        let queue = unsafe {
            let queue = sys::rd_kafka_queue_get_consumer(client.native_ptr());
            if !queue.is_null() {
                let opaque: *const Waker = &*waker;
                sys::rd_kafka_queue_cb_event_enable(queue, Some(on_data), opaque as *mut c_void);
            }
            queue
        };
        if queue.is_null() {
            return Err(KafkaError::ClientCreation("a consumer needs group.id".into()));
        }
        Ok(Arc::new(Consumer { client, queue, _waker: waker }))
    }

    /// Metadata and watermark questions; they block.
    pub fn client(&self) -> &Client<Context> {
        &self.client
    }

    /// Runs the callbacks that wait: logs, errors, statistics, answers to commits.
    pub fn serve(&self) {
        // SAFETY: the client is live.
        unsafe { sys::rd_kafka_poll(self.client.native_ptr(), 0) };
    }

    pub fn health(&self) -> MutexGuard<'_, Health> {
        self.client.context().health()
    }

    /// Reads from these offsets on and forgets every other partition. What was fetched before is
    /// not returned any more.
    pub fn assign(&self, list: &TopicPartitionList) -> Result<(), RDKafkaErrorCode> {
        // SAFETY: client and list are live; the list is copied.
        check(unsafe { sys::rd_kafka_assign(self.client.native_ptr(), list.ptr()) })
    }

    /// Stops fetching these partitions.
    pub fn pause(&self, list: &TopicPartitionList) -> Result<(), RDKafkaErrorCode> {
        // SAFETY: as in `assign`.
        check(unsafe { sys::rd_kafka_pause_partitions(self.client.native_ptr(), list.ptr()) })
    }

    /// The end of a partition as its leader last told it, without asking; None before that.
    pub fn known_end(&self, topic: &str, partition: i32) -> Option<i64> {
        let topic = CString::new(topic).ok()?;
        let (mut low, mut high) = (0, 0);
        // SAFETY: the client is live, the name ends in NUL, both offsets are written.
        let answer = check(unsafe {
            let client = self.client.native_ptr();
            sys::rd_kafka_get_watermark_offsets(
                client,
                topic.as_ptr(),
                partition,
                &mut low,
                &mut high,
            )
        });
        answer.ok().map(|()| high).filter(|high| *high >= 0)
    }

    /// Fills in the group's committed offsets; blocks.
    pub fn committed(
        &self,
        list: &TopicPartitionList,
        timeout: Duration,
    ) -> Result<(), RDKafkaErrorCode> {
        let ms = millis(timeout);
        // SAFETY: as in `assign`; the list's own fields are written.
        check(unsafe { sys::rd_kafka_committed(self.client.native_ptr(), list.ptr(), ms) })
    }

    /// Turns the list's timestamps (in its offset fields) into offsets; blocks.
    pub fn offsets_for_times(
        &self,
        list: &TopicPartitionList,
        timeout: Duration,
    ) -> Result<(), RDKafkaErrorCode> {
        let ms = millis(timeout);
        // SAFETY: as in `committed`.
        check(unsafe { sys::rd_kafka_offsets_for_times(self.client.native_ptr(), list.ptr(), ms) })
    }

    /// Sends offsets to the group without waiting; a refusal is logged.
    pub fn commit(&self, list: &TopicPartitionList) -> Result<(), RDKafkaErrorCode> {
        // SAFETY: as in `assign`.
        check(unsafe { sys::rd_kafka_commit(self.client.native_ptr(), list.ptr(), 1) })
    }
}

impl Drop for Consumer {
    fn drop(&mut self) {
        // SAFETY: the handle is ours. Taking the callback away needs the lock under which it
        // runs, so the waker is not in use afterwards. The client is destroyed after this, and
        // no message is left: each batch holds the consumer.
        unsafe {
            sys::rd_kafka_queue_cb_event_enable(self.queue, None, null_mut());
            sys::rd_kafka_queue_destroy(self.queue);
        }
    }
}

/// Messages in the order they were taken, freed when dropped.
///
/// What is read of a message is read when it is taken. Messages lie scattered in memory: looking
/// at each again, when later ones have come, would cost more than decoding some columns.
pub(super) struct Messages {
    list: VecDeque<RawMessage>,
    /// Of the messages in `list`.
    records: VecDeque<RawRecord>,
    bytes: usize,
    consumer: Arc<Consumer>,
    /// Held while headers are read: librdkafka takes them apart when they are first asked for.
    headers: Mutex<()>,
}

// SAFETY: messages are immutable but for what `headers` guards, and librdkafka lets any thread
// destroy them.
unsafe impl Send for Messages {}
// SAFETY: as above.
unsafe impl Sync for Messages {}

/// One message, or an event of a partition when `error` is set.
#[derive(Clone, Copy)]
pub(super) struct View<'a> {
    pub partition: i32,
    pub offset: i64,
    pub error: Option<RDKafkaErrorCode>,
    /// Which topic, as long as the message lives: equal for messages of one topic.
    pub topic_key: usize,
    message: &'a sys::rd_kafka_message_t,
}

impl View<'_> {
    /// None for events of the consumer as a whole.
    pub fn topic(&self) -> Option<&str> {
        if self.message.rkt.is_null() {
            return None;
        }
        // SAFETY: the message keeps its topic alive; names are NUL-terminated ASCII.
        unsafe { CStr::from_ptr(sys::rd_kafka_topic_name(self.message.rkt)) }.to_str().ok()
    }
    pub fn text(&self) -> String {
        // SAFETY: the message is live; the text belongs to it or is static.
        let text = unsafe { sys::rd_kafka_message_errstr(self.message) };
        // SAFETY: librdkafka returns NULL or a NUL-terminated text.
        if text.is_null() { String::new() } else { unsafe { lossy(text) } }
    }
}

impl Messages {
    pub fn new(consumer: &Arc<Consumer>) -> Self {
        let (list, records) = (VecDeque::new(), VecDeque::new());
        Messages { list, records, bytes: 0, consumer: consumer.clone(), headers: Mutex::default() }
    }

    /// Takes up to `max` messages that have arrived, without waiting; returns how many.
    pub fn fill(&mut self, max: usize) -> usize {
        let mut buffer: Vec<*mut sys::rd_kafka_message_t> = vec![null_mut(); max];
        // Timeout 0, because a batch that may wait does so until it is full.
        // SAFETY: queue and buffer are live, and the buffer has `max` places.
        let taken = unsafe {
            sys::rd_kafka_consume_batch_queue(self.consumer.queue, 0, buffer.as_mut_ptr(), max)
        };
        let taken = usize::try_from(taken).unwrap_or(0);
        for message in buffer.into_iter().take(taken).filter_map(NonNull::new) {
            let record = record(message);
            self.bytes += record.bytes();
            self.records.push_back(record);
            self.list.push_back(message);
        }
        taken
    }

    pub fn len(&self) -> usize {
        self.list.len()
    }
    pub fn is_empty(&self) -> bool {
        self.list.is_empty()
    }
    /// Bytes of keys and values.
    pub fn bytes(&self) -> usize {
        self.bytes
    }
    pub fn front(&self) -> Option<View<'_>> {
        self.list.front().map(view)
    }
    /// The first message as a record; cheaper than [`Messages::front`].
    pub fn first(&self) -> Option<&RawRecord> {
        self.records.front()
    }
    pub fn last(&self) -> Option<&RawRecord> {
        self.records.back()
    }

    /// Moves the first message to the end of `to`, which must belong to the same consumer.
    pub fn shift(&mut self, to: &mut Messages) {
        assert!(Arc::ptr_eq(&self.consumer, &to.consumer), "messages stay with their consumer");
        if let (Some(message), Some(record)) = (self.list.pop_front(), self.records.pop_front()) {
            let bytes = record.bytes();
            self.bytes -= bytes;
            to.bytes += bytes;
            to.list.push_back(message);
            to.records.push_back(record);
        }
    }
    /// All of them; the list is empty afterwards, with room for as many.
    pub fn take_all(&mut self) -> Messages {
        let fresh = Messages {
            list: VecDeque::with_capacity(self.len()),
            records: VecDeque::with_capacity(self.len()),
            bytes: 0,
            consumer: self.consumer.clone(),
            headers: Mutex::default(),
        };
        std::mem::replace(self, fresh)
    }
    /// Frees the first message.
    pub fn skip(&mut self) {
        let mut one = Messages::new(&self.consumer);
        self.shift(&mut one);
    }
    /// Frees the last message.
    pub fn drop_back(&mut self) {
        if let (Some(message), Some(record)) = (self.list.pop_back(), self.records.pop_back()) {
            self.bytes -= record.bytes();
            // SAFETY: the message is ours and no longer reachable.
            unsafe { sys::rd_kafka_message_destroy(message.as_ptr()) };
        }
    }
    pub fn clear(&mut self) {
        while !self.is_empty() {
            self.drop_back();
        }
    }

    /// The messages as records of one split; their buffers live as long as the batch.
    pub fn into_batch(mut self) -> RawBatch {
        let records = std::mem::take(&mut self.records).into();
        // SAFETY: the spans point into messages that `self` owns and does not change.
        unsafe { RawBatch::from_foreign(records, Box::new(self)) }
    }
}

impl Owner for Messages {
    fn headers(&self, records: &[u32], to: &mut HeadersBuilder) {
        let _alone = self.headers.lock().unwrap_or_else(|broken| broken.into_inner());
        for record in records {
            let (names, values) = to.entries();
            // SAFETY: the message is ours, and nobody else takes its headers apart now.
            unsafe { append_headers(self.list[*record as usize], names, values) };
            to.append(true).expect("each name comes with a value");
        }
    }
    fn leader_epochs(&self, records: &[u32]) -> Vec<Option<i32>> {
        let of = |record: &u32| {
            // SAFETY: the message is ours and nobody writes to this part of it.
            let epoch =
                unsafe { sys::rd_kafka_message_leader_epoch(self.list[*record as usize].as_ptr()) };
            (epoch >= 0).then_some(epoch)
        };
        records.iter().map(of).collect()
    }
    fn timestamp_types(&self, records: &[u32]) -> Vec<TimestampType> {
        use sys::rd_kafka_timestamp_type_t as Type;
        let of = |record: &u32| {
            let mut kind = Type::RD_KAFKA_TIMESTAMP_NOT_AVAILABLE;
            // SAFETY: as above.
            unsafe {
                sys::rd_kafka_message_timestamp(self.list[*record as usize].as_ptr(), &mut kind)
            };
            match kind {
                Type::RD_KAFKA_TIMESTAMP_CREATE_TIME => TimestampType::Producer,
                Type::RD_KAFKA_TIMESTAMP_LOG_APPEND_TIME => TimestampType::Broker,
                Type::RD_KAFKA_TIMESTAMP_NOT_AVAILABLE => TimestampType::None,
            }
        };
        records.iter().map(of).collect()
    }
}

/// The headers of a message; of those with one name the last.
///
/// # Safety
/// The message must be live, and no other thread may ask for its headers meanwhile.
unsafe fn append_headers(
    message: RawMessage,
    names: &mut StringBuilder,
    values: &mut BinaryBuilder,
) {
    let mut headers = null_mut();
    // SAFETY: promised by the caller.
    let found = check(unsafe { sys::rd_kafka_message_headers(message.as_ptr(), &mut headers) });
    // Without headers this is an error.
    if found.is_err() || headers.is_null() {
        return;
    }
    // SAFETY: the headers are the message's own and live as long.
    let count = unsafe { sys::rd_kafka_header_cnt(headers) };
    for i in 0..count {
        let (mut name, mut value, mut size) = (null(), null(), 0);
        // SAFETY: as above; name and value live as long as the headers.
        let (found, name) = unsafe {
            let found = sys::rd_kafka_header_get_all(headers, i, &mut name, &mut value, &mut size);
            (check(found).is_ok() && !name.is_null(), name)
        };
        // SAFETY: the name was given back and ends in NUL.
        if !found || unsafe { is_repeated(headers, i, count, name) } {
            continue;
        }
        // SAFETY: as above; the value has `size` bytes.
        unsafe {
            names.append_value(CStr::from_ptr(name).to_string_lossy());
            match value.is_null() {
                true => values.append_null(),
                false => values.append_value(std::slice::from_raw_parts(value as *const u8, size)),
            }
        }
    }
}

/// Whether a header behind the one at `i` has the same name.
///
/// # Safety
/// The headers must be live, and `name` must end in NUL.
unsafe fn is_repeated(
    headers: *const sys::rd_kafka_headers_t,
    i: usize,
    count: usize,
    name: *const c_char,
) -> bool {
    // SAFETY: promised by the caller.
    let name = unsafe { CStr::from_ptr(name) };
    (i + 1..count).any(|later| {
        let (mut other, mut value, mut size) = (null(), null(), 0);
        // SAFETY: as above; names end in NUL.
        unsafe {
            let found =
                sys::rd_kafka_header_get_all(headers, later, &mut other, &mut value, &mut size);
            check(found).is_ok() && !other.is_null() && CStr::from_ptr(other) == name
        }
    })
}

impl Drop for Messages {
    fn drop(&mut self) {
        for message in self.list.drain(..) {
            // SAFETY: each message is ours and destroyed once; its consumer is still alive.
            unsafe { sys::rd_kafka_message_destroy(message.as_ptr()) };
        }
    }
}

/// What a batch needs of a message that was just taken.
fn record(message: RawMessage) -> RawRecord {
    // SAFETY: the message is ours and nobody writes to it.
    let m = unsafe { message.as_ref() };
    let failed = m.err != sys::rd_kafka_resp_err_t::RD_KAFKA_RESP_ERR_NO_ERROR;
    // The payload of an event is its text.
    let value = if failed { (null(), 0) } else { (m.payload as *const u8, m.len) };
    let key = if failed { (null(), 0) } else { (m.key as *const u8, m.key_len) };
    let mut kind = sys::rd_kafka_timestamp_type_t::RD_KAFKA_TIMESTAMP_NOT_AVAILABLE;
    // SAFETY: the spans are the message's own, and the record stays in the list that owns it.
    unsafe {
        let timestamp = sys::rd_kafka_message_timestamp(m, &mut kind);
        RawRecord::foreign(value, key, m.offset, timestamp)
    }
}

fn view(message: &RawMessage) -> View<'_> {
    // SAFETY: the list that the message is borrowed from owns it.
    let m = unsafe { message.as_ref() };
    let failed = m.err != sys::rd_kafka_resp_err_t::RD_KAFKA_RESP_ERR_NO_ERROR;
    View {
        partition: m.partition,
        offset: m.offset,
        error: failed.then(|| m.err.into()),
        topic_key: m.rkt as usize,
        message: m,
    }
}

/// Tells the C allocator to keep the memory of fetch buffers for the next ones instead of giving
/// it back after each: taking it again costs as much as receiving the data.
fn keep_memory() {
    #[cfg(target_env = "gnu")]
    // SAFETY: plain settings of the allocator, which may be changed at any time.
    unsafe {
        libc::mallopt(libc::M_MMAP_THRESHOLD, KEPT);
        libc::mallopt(libc::M_TRIM_THRESHOLD, KEPT);
    }
}

fn check(code: sys::rd_kafka_resp_err_t) -> Result<(), RDKafkaErrorCode> {
    match code {
        sys::rd_kafka_resp_err_t::RD_KAFKA_RESP_ERR_NO_ERROR => Ok(()),
        code => Err(code.into()),
    }
}

fn millis(timeout: Duration) -> c_int {
    c_int::try_from(timeout.as_millis()).unwrap_or(c_int::MAX)
}

/// # Safety
/// `text` must be NUL-terminated.
unsafe fn lossy(text: *const c_char) -> String {
    // SAFETY: promised by the caller.
    unsafe { CStr::from_ptr(text) }.to_string_lossy().into_owned()
}

/// New messages in an empty queue. Unwinding into C would abort, so a panic ends here.
unsafe extern "C" fn on_data(_: *mut sys::rd_kafka_t, opaque: *mut c_void) {
    // SAFETY: `create` passed the address of a waker that outlives the callback.
    let waker = unsafe { &*(opaque as *const Waker) };
    let _ = catch_unwind(AssertUnwindSafe(waker));
}

unsafe extern "C" fn on_log(
    _: *const sys::rd_kafka_t,
    level: c_int,
    facility: *const c_char,
    text: *const c_char,
) {
    // SAFETY: librdkafka passes NUL-terminated texts.
    let (facility, text) = unsafe { (lossy(facility), lossy(text)) };
    match level {
        0..=4 => tracing::debug!(target: "librdkafka", "{facility}: {text}"),
        _ => tracing::trace!(target: "librdkafka", "{facility}: {text}"),
    }
}

/// Errors of the client as a whole. Connections that fail are librdkafka's to repair; a refused
/// password is kept, because waiting cannot repair it.
unsafe extern "C" fn on_error(
    _: *mut sys::rd_kafka_t,
    code: c_int,
    reason: *const c_char,
    opaque: *mut c_void,
) {
    // SAFETY: the opaque pointer is the context of the client that calls; the text is C's.
    let (context, reason) = unsafe { (&*(opaque as *const Context), lossy(reason)) };
    if code == sys::rd_kafka_resp_err_t::RD_KAFKA_RESP_ERR__AUTHENTICATION as c_int {
        context.health().refused = Some(reason);
    } else {
        tracing::debug!("Kafka: {reason}");
    }
}

unsafe extern "C" fn on_stats(
    _: *mut sys::rd_kafka_t,
    json: *mut c_char,
    len: usize,
    opaque: *mut c_void,
) -> c_int {
    // SAFETY: `json` has `len` bytes during the call; the opaque pointer is the context.
    let (bytes, context) = unsafe {
        (std::slice::from_raw_parts(json as *const u8, len), &*(opaque as *const Context))
    };
    match serde_json::from_slice::<Statistics>(bytes) {
        Ok(stats) => context.health().unreachable = unreachable(&stats),
        Err(e) => tracing::debug!("librdkafka's statistics were not understood: {e}"),
    }
    0
}

unsafe extern "C" fn on_commit(
    _: *mut sys::rd_kafka_t,
    code: sys::rd_kafka_resp_err_t,
    _: *mut sys::rd_kafka_topic_partition_list_t,
    _: *mut c_void,
) {
    if let Err(code) = check(code) {
        tracing::warn!("offsets were not committed to the Kafka group: {code}");
    }
}

/// Partitions whose leader is known and not connected.
fn unreachable(stats: &Statistics) -> BTreeSet<(String, i32)> {
    let up: BTreeSet<i32> =
        stats.brokers.values().filter(|b| b.state == "UP").map(|b| b.nodeid).collect();
    let mut down = BTreeSet::new();
    for (topic, partitions) in &stats.topics {
        for (partition, p) in &partitions.partitions {
            if *partition >= 0 && !up.contains(&p.leader) {
                down.insert((topic.clone(), *partition));
            }
        }
    }
    down
}

/// A list of partitions with one offset each.
pub(super) fn list<'a>(
    items: impl IntoIterator<Item = (&'a str, i32, i64)>,
) -> Result<TopicPartitionList> {
    let mut list = TopicPartitionList::new();
    for (topic, partition, offset) in items {
        list.add_partition_offset(topic, partition, rdkafka::Offset::from_raw(offset))
            .map_err(|e| Error::bug(format!("{topic}-{partition}@{offset}: {e}")))?;
    }
    Ok(list)
}
