//! Servers on this machine that misbehave in one way each, until the test ends.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::thread;
use std::time::Duration;

use std::os::fd::AsRawFd;

/// A server on this machine.
pub struct Server {
    /// Host and port.
    pub address: String,
    _held: Vec<TcpStream>,
    _listener: Option<TcpListener>,
}

impl Server {
    /// Returns an address at which nobody listens.
    pub fn closed() -> String {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        listener.local_addr().unwrap().to_string()
    }

    /// One whose queue is full, so that nothing is ever said to whoever connects.
    pub fn black_hole() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        shorten_queue(&listener);
        let address = listener.local_addr().unwrap();
        let connect = || TcpStream::connect_timeout(&address, Duration::from_millis(200)).ok();
        let held: Vec<_> = std::iter::from_fn(connect).take(100).collect();
        assert!(held.len() < 100, "the queue is never full");
        Self { address: address.to_string(), _held: held, _listener: Some(listener) }
    }

    /// One that accepts and never says a word.
    pub fn silent() -> Self {
        Self::answering(|stream| {
            // Whoever connects leaves in the end.
            let _ = (&stream).read_to_end(&mut Vec::new());
        })
    }

    /// One that says a byte a second of this, again and again.
    pub fn dripping(answer: &'static [u8]) -> Self {
        Self::answering(move |mut stream| {
            for byte in answer.iter().cycle() {
                if stream.write_all(&[*byte]).is_err() {
                    break;
                }
                thread::sleep(Duration::from_secs(1));
            }
        })
    }

    /// One that answers every request with a page.
    pub fn page(status: &'static str, headers: &'static str) -> Self {
        Self::answering(move |mut stream| {
            let mut asked: Vec<u8> = Vec::new();
            let mut part = [0; 1024];
            while !asked.windows(4).any(|end| end == b"\r\n\r\n") {
                match stream.read(&mut part) {
                    Ok(length) if length > 0 => asked.extend(&part[..length]),
                    _ => return,
                }
            }
            let page = "<html><body>Please sign in.</body></html>";
            let length = page.len();
            let _ = write!(
                stream,
                "HTTP/1.1 {status}\r\n{headers}Content-Type: text/html\r\n\
                 Content-Length: {length}\r\nConnection: close\r\n\r\n{page}"
            );
        })
    }

    fn answering(answer: impl Fn(TcpStream) + Clone + Send + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address: SocketAddr = listener.local_addr().unwrap();
        thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let answer = answer.clone();
                thread::spawn(move || answer(stream));
            }
        });
        Self { address: address.to_string(), _held: Vec::new(), _listener: None }
    }
}

#[expect(unsafe_code, reason = "the standard library does not say how long a queue may be")]
fn shorten_queue(listener: &TcpListener) {
    // SAFETY: the call takes two numbers, and the listener is open.
    assert_eq!(unsafe { libc::listen(listener.as_raw_fd(), 0) }, 0);
}

/// Returns text that does not get shorter when it is packed.
pub fn noise() -> String {
    let mut state: u64 = 0x9E37_79B9_7F4A_7C15;
    let letter = || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        char::from(b' ' + u8::try_from(state >> 40 & 63).unwrap())
    };
    std::iter::repeat_with(letter).take(120_000).collect()
}
