//! A DNS server for one name, on an address of loopback that nobody else uses.

use std::{
    net::UdpSocket,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
};

/// It answers until the process ends.
pub struct Resolver {
    pub address: String,
    asked: Arc<AtomicBool>,
}

impl Resolver {
    /// Answers that `name` is 127.0.0.1, and that nothing else is known.
    pub fn start(name: &str) -> Self {
        // Tests run beside each other, and resolv.conf names no port.
        let socket = (1..255).find_map(|last| UdpSocket::bind(format!("127.77.1.{last}:53")).ok());
        let socket = socket.expect("a free address for DNS, which needs root");
        let address = socket.local_addr().unwrap().ip().to_string();
        let asked = Arc::new(AtomicBool::new(false));
        let (wanted, heard) = (encode(name), Arc::clone(&asked));
        std::thread::spawn(move || {
            let mut buffer = [0; 512];
            while let Ok((length, client)) = socket.recv_from(&mut buffer) {
                let question = &buffer[12..length];
                if question.starts_with(&wanted) {
                    heard.store(true, Ordering::SeqCst);
                }
                let reply = reply(&buffer[..length], &wanted);
                let _ = socket.send_to(&reply, client);
            }
        });
        Self { address, asked }
    }

    /// Whether somebody asked for the name.
    pub fn asked(&self) -> bool {
        self.asked.load(Ordering::SeqCst)
    }
}

/// A name as DNS writes it: labels with their lengths.
fn encode(name: &str) -> Vec<u8> {
    let mut bytes = Vec::new();
    for label in name.split('.') {
        bytes.push(u8::try_from(label.len()).unwrap());
        bytes.extend_from_slice(label.as_bytes());
    }
    bytes.push(0);
    bytes
}

/// An answer for type A of the name, an empty one for other types, NXDOMAIN for other names.
fn reply(request: &[u8], wanted: &[u8]) -> Vec<u8> {
    let question = &request[12..];
    let known = question.starts_with(wanted);
    // Only the question is repeated: what follows it, such as EDNS, is not answered.
    let end = question.iter().position(|byte| *byte == 0).map_or(question.len(), |end| end + 5);
    let question = &question[..end.min(question.len())];
    let is_a = known && question.get(wanted.len()..wanted.len() + 2) == Some(&[0, 1]);
    let mut reply = request[..2].to_vec();
    reply.extend_from_slice(&[0x81, if known { 0x80 } else { 0x83 }]);
    reply.extend_from_slice(&[0, 1, 0, u8::from(is_a), 0, 0, 0, 0]);
    reply.extend_from_slice(question);
    if is_a {
        // The name of the question, type A, class IN, a minute, four bytes.
        reply.extend_from_slice(&[0xc0, 12, 0, 1, 0, 1, 0, 0, 0, 60, 0, 4, 127, 0, 0, 1]);
    }
    reply
}
