//! The crate `sframe` (RFC 9605 in Rust, on ring), as benchmarks/frames.py drives it.
//!
//!     rust-sframe KEY SALT BASE_KEY KID     hex, of which only BASE_KEY is used, and decimal; suite 4
//!
//! It answers requests line by line; processes.py says which. The view interface, one buffer a direction, and the
//! crate's own replay window of 1024.

use sframe::frame::validation::{ReplayAttackProtection, Tolerance};
use sframe::frame::{EncryptedFrameView, MediaFrameView, MonotonicCounter};
use sframe::key::{DecryptionKey, EncryptionKey};
use sframe::CipherSuite;
use std::hint::black_box;
use std::io::{BufRead, Write};
use std::time::Instant;

const FIRST_CTR: u64 = 65_536;
const SUITE: CipherSuite = CipherSuite::AesGcm128Sha256;

struct Peer {
    seal: EncryptionKey,
    open: DecryptionKey,
    window: ReplayAttackProtection,
    counter: MonotonicCounter,
    buffer: Vec<u8>,
}

impl Peer {
    fn new(base_key: &[u8], kid: u64) -> Self {
        Peer {
            seal: EncryptionKey::derive_from(SUITE, kid, base_key).expect("a key"),
            open: DecryptionKey::derive_from(SUITE, kid, base_key).expect("a key"),
            window: ReplayAttackProtection::new(kid, Tolerance::new(1024)),
            counter: MonotonicCounter::with_start_value(FIRST_CTR, u64::MAX),
            buffer: Vec::new(),
        }
    }

    fn frame(&mut self, ctr: u64, plaintext: &[u8]) -> Vec<u8> {
        let mut counter = MonotonicCounter::with_start_value(ctr, u64::MAX);
        let frame = MediaFrameView::try_new(&mut counter, plaintext).expect("a counter");
        frame.encrypt_into(&self.seal, &mut self.buffer).expect("seal");
        self.buffer.clone()
    }

    /// (CPU, wall) nanoseconds. Every frame has its own buffer, as it has in Python.
    fn seal_batch(&mut self, size: usize, count: usize) -> (i64, u128) {
        let frames = plaintexts(size, count);
        let began = (cpu(), Instant::now());
        for frame in &frames {
            let view = MediaFrameView::try_new(&mut self.counter, frame).expect("a counter");
            black_box(view.encrypt_into(&self.seal, &mut self.buffer).expect("seal"));
        }
        (cpu() - began.0, began.1.elapsed().as_nanos())
    }

    fn open_batch(&mut self, size: usize, count: usize) -> (i64, u128) {
        let mut sealed = Vec::with_capacity(count);
        for frame in plaintexts(size, count) {
            let view = MediaFrameView::try_new(&mut self.counter, &frame).expect("a counter");
            view.encrypt_into(&self.seal, &mut self.buffer).expect("seal");
            sealed.push(self.buffer.clone());
        }
        let began = (cpu(), Instant::now());
        for frame in &sealed {
            let view = EncryptedFrameView::try_new(frame).expect("a header");
            let opened = view.validated_decrypt_into(&self.open, &mut self.buffer, &mut self.window);
            black_box(opened.expect("open"));
        }
        (cpu() - began.0, began.1.elapsed().as_nanos())
    }
}

fn plaintexts(size: usize, count: usize) -> Vec<Vec<u8>> {
    (0..count).map(|n| (0..size).map(|i| (i * 167 + i / 251 + n) as u8).collect()).collect()
}

fn cpu() -> i64 {
    let mut t = libc::timespec { tv_sec: 0, tv_nsec: 0 };
    // SAFETY: the pointer is to a live timespec.
    assert_eq!(unsafe { libc::clock_gettime(libc::CLOCK_THREAD_CPUTIME_ID, &mut t) }, 0);
    t.tv_sec as i64 * 1_000_000_000 + t.tv_nsec as i64
}

fn from_hex(text: &str) -> Vec<u8> {
    (0..text.len()).step_by(2).map(|i| u8::from_str_radix(&text[i..i + 2], 16).expect("hex")).collect()
}

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [_, _, base_key, kid] = &arguments[..] else { panic!("KEY SALT BASE_KEY KID") };
    let mut peer = Peer::new(&from_hex(base_key), kid.parse().expect("a KID"));
    for line in std::io::stdin().lock().lines() {
        let line = line.expect("a line");
        let words: Vec<&str> = line.split_whitespace().collect();
        let number = |at: usize| words[at].parse::<usize>().expect("a number");
        let answer = match words[0] {
            "frame" => {
                let sealed = peer.frame(number(1) as u64, &from_hex(words.get(2).unwrap_or(&"")));
                sealed.iter().map(|byte| format!("{byte:02x}")).collect()
            }
            "seal" => spent(peer.seal_batch(number(1), number(2))),
            "open" => spent(peer.open_batch(number(1), number(2))),
            other => panic!("no request {other}"),
        };
        println!("{answer}");
        std::io::stdout().flush().expect("an open pipe");
    }
}

fn spent((cpu, wall): (i64, u128)) -> String {
    format!("{cpu} {wall}")
}
