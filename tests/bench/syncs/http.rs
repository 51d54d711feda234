//! A web server of our own on loopback that hands every request to `git http-backend`.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

/// A server that serves as long as the benchmark runs.
pub struct Http {
    port: u16,
    root: PathBuf,
    connections: Arc<AtomicUsize>,
}

impl Http {
    /// Serves the repositories below a folder.
    pub fn start(root: &Path) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let port = listener.local_addr().expect("a port").port();
        let connections = Arc::new(AtomicUsize::new(0));
        let (counter, folder) = (Arc::clone(&connections), root.to_owned());
        thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                counter.fetch_add(1, Ordering::Relaxed);
                let folder = folder.clone();
                thread::spawn(move || serve(stream, &folder));
            }
        });
        Self { port, root: root.to_owned(), connections }
    }

    /// Returns the address of a repository below the folder.
    pub fn url(&self, repository: &Path) -> String {
        let below = repository.strip_prefix(&self.root).expect("below the folder");
        format!("http://127.0.0.1:{}/{}", self.port, below.display())
    }

    /// Returns how many connections came in so far.
    pub fn connections(&self) -> usize {
        self.connections.load(Ordering::Relaxed)
    }
}

/// Answers the requests of one connection, one after the other.
fn serve(stream: TcpStream, root: &Path) -> Option<()> {
    let mut writer = stream.try_clone().ok()?;
    writer.set_nodelay(true).ok()?;
    let mut reader = BufReader::new(stream);
    while let Some(request) = Request::read(&mut reader) {
        writer.write_all(&request.answer(root)?).ok()?;
    }
    Some(())
}

struct Request {
    method: String,
    target: String,
    fields: Vec<(String, String)>,
    body: Vec<u8>,
}

impl Request {
    fn read(reader: &mut BufReader<TcpStream>) -> Option<Self> {
        let mut line = String::new();
        reader.read_line(&mut line).ok().filter(|count| *count > 0)?;
        let mut words = line.split_whitespace();
        let (method, target) = (words.next()?.to_owned(), words.next()?.to_owned());
        let mut fields = Vec::new();
        loop {
            let mut line = String::new();
            reader.read_line(&mut line).ok()?;
            let Some((name, value)) = line.trim_end().split_once(':') else { break };
            fields.push((name.to_ascii_lowercase(), value.trim().to_owned()));
        }
        let mut request = Self { method, target, fields, body: Vec::new() };
        request.body = if request.field("transfer-encoding").contains("chunked") {
            chunks(reader)?
        } else {
            let mut body = vec![0; request.field("content-length").parse().unwrap_or(0)];
            reader.read_exact(&mut body).ok()?;
            body
        };
        Some(request)
    }

    fn field(&self, name: &str) -> &str {
        self.fields.iter().find(|(known, _)| known == name).map_or("", |(_, value)| value)
    }

    /// Lets Git answer, as a web server does (RFC 3875).
    fn answer(&self, root: &Path) -> Option<Vec<u8>> {
        let (path, query) = self.target.split_once('?').unwrap_or((&self.target, ""));
        let mut git = Command::new("git");
        git.arg("http-backend").env("GIT_PROJECT_ROOT", root).env("GIT_HTTP_EXPORT_ALL", "1");
        git.env("REQUEST_METHOD", &self.method).env("PATH_INFO", path).env("QUERY_STRING", query);
        git.env("REMOTE_USER", "bench").env("REMOTE_ADDR", "127.0.0.1");
        git.env("CONTENT_TYPE", self.field("content-type"));
        git.env("CONTENT_LENGTH", self.body.len().to_string());
        git.env("HTTP_CONTENT_ENCODING", self.field("content-encoding"));
        git.env("GIT_PROTOCOL", self.field("git-protocol"));
        git.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null());
        let mut child = git.spawn().ok()?;
        let (mut stdin, body) = (child.stdin.take()?, self.body.clone());
        let feeding = thread::spawn(move || stdin.write_all(&body));
        let output = child.wait_with_output().ok()?.stdout;
        let _ = feeding.join();
        let end = output.windows(4).position(|at| at == b"\r\n\r\n")?;
        let head = String::from_utf8_lossy(&output[..end]).into_owned();
        let body = &output[end + 4..];
        let status =
            head.lines().find_map(|line| line.strip_prefix("Status: ")).unwrap_or("200 OK");
        let mut answer = format!("HTTP/1.1 {status}\r\n");
        for line in head.lines().filter(|line| !line.starts_with("Status: ")) {
            answer.push_str(&format!("{line}\r\n"));
        }
        answer.push_str(&format!("Content-Length: {}\r\n\r\n", body.len()));
        Some([answer.as_bytes(), body].concat())
    }
}

/// Reads a body that comes in chunks.
fn chunks(reader: &mut BufReader<TcpStream>) -> Option<Vec<u8>> {
    let mut body = Vec::new();
    loop {
        let mut line = String::new();
        reader.read_line(&mut line).ok()?;
        let size = usize::from_str_radix(line.trim(), 16).ok()?;
        let mut chunk = vec![0; size + 2];
        reader.read_exact(&mut chunk).ok()?;
        if size == 0 {
            return Some(body);
        }
        body.extend_from_slice(&chunk[..size]);
    }
}
