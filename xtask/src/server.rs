//! A small web server for this machine alone: GET and HEAD of a [`Site`]'s files.

use std::fs::{self, File};
use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::path::Path;
use std::sync::Arc;
use std::thread;
use std::time::{Duration, UNIX_EPOCH};

use anyhow::{Result, anyhow};

use crate::site::{Found, Site, media_type};

/// The longest request that is read: address and headers.
const REQUEST_LIMIT: u64 = 16 * 1024;

/// How long a connection may be silent.
const PATIENCE: Duration = Duration::from_secs(30);

/// On every answer: the page is isolated from other origins and says what it is.
const HEADERS: &str = "Cross-Origin-Opener-Policy: same-origin\r\n\
     Cross-Origin-Embedder-Policy: require-corp\r\n\
     Cross-Origin-Resource-Policy: same-origin\r\n\
     X-Content-Type-Options: nosniff\r\n\
     Referrer-Policy: no-referrer\r\n";

/// Takes a port of this machine (0: any free one).
pub fn listen(port: u16) -> Result<TcpListener> {
    TcpListener::bind((Ipv4Addr::LOCALHOST, port)).map_err(|error| match error.kind() {
        io::ErrorKind::AddrInUse => {
            let other = port.checked_add(1).unwrap_or(8080);
            anyhow!("port {port} is taken by another program; choose another, such as --port {other}")
        }
        io::ErrorKind::PermissionDenied => {
            anyhow!("port {port} may not be used here; choose one above 1023, such as --port 8080")
        }
        _ => anyhow!(error).context(format!("cannot listen on port {port}")),
    })
}

/// Serves a site in the background, at the address that it gives.
pub fn start(site: Site) -> Result<String> {
    let listener = listen(0)?;
    let address = format!("http://localhost:{}/", listener.local_addr()?.port());
    thread::spawn(move || serve(listener, site));
    Ok(address)
}

/// Answers requests for as long as the program runs.
pub fn serve(listener: TcpListener, site: Site) {
    let site = Arc::new(site);
    for connection in listener.incoming().flatten() {
        let site = Arc::clone(&site);
        // A connection that breaks is its browser's business, not the server's.
        thread::spawn(move || _ = converse(&connection, &site));
    }
}

/// Answers the requests of one connection until either side has had enough.
fn converse(connection: &TcpStream, site: &Site) -> io::Result<()> {
    connection.set_read_timeout(Some(PATIENCE))?;
    connection.set_write_timeout(Some(PATIENCE))?;
    connection.set_nodelay(true)?;
    let mut reader = BufReader::new(connection);
    while let Some(request) = Request::read(&mut reader)? {
        respond(&mut &*connection, &request, site)?;
        if request.close {
            break;
        }
    }
    Ok(())
}

/// What matters of a request.
#[derive(Debug, PartialEq, Eq)]
struct Request {
    method: String,
    address: String,
    /// The version of the file that the browser has already.
    has: Option<String>,
    close: bool,
}

impl Request {
    /// Reads one request; nothing at the end of the connection, or when it is no HTTP.
    fn read(reader: &mut impl BufRead) -> io::Result<Option<Self>> {
        let mut lines = reader.take(REQUEST_LIMIT);
        let mut line = String::new();
        lines.read_line(&mut line)?;
        let mut words = line.split_whitespace();
        let (Some(method), Some(address), Some(version)) = (words.next(), words.next(), words.next()) else {
            return Ok(None);
        };
        let mut request = Self {
            method: method.to_owned(),
            address: address.to_owned(),
            has: None,
            close: version != "HTTP/1.1",
        };
        loop {
            let mut header = String::new();
            // Cut off by the limit or by the other side: the end of the headers never came.
            if lines.read_line(&mut header)? == 0 {
                return Ok(None);
            }
            let header = header.trim_end();
            if header.is_empty() {
                break;
            }
            let Some((name, value)) = header.split_once(':') else { continue };
            match name.to_ascii_lowercase().as_str() {
                "if-none-match" => request.has = Some(value.trim().to_owned()),
                "connection" => request.close |= value.trim().eq_ignore_ascii_case("close"),
                // A body is never wanted, and left unread it would be taken for the next request.
                "content-length" | "transfer-encoding" => request.close = true,
                _ => {}
            }
        }
        Ok(Some(request))
    }
}

fn respond(out: &mut impl Write, request: &Request, site: &Site) -> io::Result<()> {
    if request.method != "GET" && request.method != "HEAD" {
        return status(out, request, "405 Method Not Allowed", "Allow: GET, HEAD\r\n");
    }
    match site.find(&request.address) {
        None => status(out, request, "404 Not Found", ""),
        Some(Found::Text(text)) => {
            let kind = media_type(Path::new(&request.address));
            head(out, request, "200 OK", text.len() as u64, kind, "Cache-Control: no-store\r\n")?;
            body(out, request, &mut text.as_bytes())
        }
        Some(Found::File(path)) => {
            let mut file = File::open(&path)?;
            let about = file.metadata()?;
            let version = version(&about);
            let cache = caching(&request.address, &version);
            if request.has.as_deref() == Some(version.as_str()) {
                return head(out, request, "304 Not Modified", 0, media_type(&path), &cache);
            }
            head(out, request, "200 OK", about.len(), media_type(&path), &cache)?;
            body(out, request, &mut (&mut file).take(about.len()))
        }
    }
}

fn head(
    out: &mut impl Write,
    request: &Request,
    status: &str,
    length: u64,
    kind: &str,
    more: &str,
) -> io::Result<()> {
    let connection = if request.close { "close" } else { "keep-alive" };
    let text = format!(
        "HTTP/1.1 {status}\r\nContent-Type: {kind}\r\nContent-Length: {length}\r\nConnection: {connection}\r\n\
         {HEADERS}{more}\r\n"
    );
    out.write_all(text.as_bytes())
}

fn body(out: &mut impl Write, request: &Request, content: &mut impl Read) -> io::Result<()> {
    if request.method != "HEAD" {
        io::copy(content, out)?;
    }
    Ok(())
}

fn status(out: &mut impl Write, request: &Request, status: &str, more: &str) -> io::Result<()> {
    head(out, request, status, status.len() as u64, "text/plain; charset=utf-8", more)?;
    body(out, request, &mut status.as_bytes())
}

/// Names of built assets hold a hash of their content, so they never change; all else is asked for anew, which
/// costs a few bytes when the version is still the same.
fn caching(address: &str, version: &str) -> String {
    if address.starts_with("/assets/") {
        "Cache-Control: public, max-age=31536000, immutable\r\n".to_owned()
    } else {
        format!("Cache-Control: no-cache\r\nETag: {version}\r\n")
    }
}

fn version(about: &fs::Metadata) -> String {
    let changed =
        about.modified().ok().and_then(|time| time.duration_since(UNIX_EPOCH).ok()).unwrap_or_default();
    format!("\"{:x}-{:x}\"", changed.as_nanos(), about.len())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Serves a small page and sends it `requests` over one connection; what came back.
    fn exchange(requests: &str) -> Result<String> {
        let folder = tempfile::tempdir()?;
        fs::write(folder.path().join("index.html"), "<p>page")?;
        fs::create_dir(folder.path().join("assets"))?;
        fs::write(folder.path().join("assets/engine-1a2b.wasm"), b"\0asm")?;
        let site = Site::of_folder(folder.path())?;
        let listener = listen(0)?;
        let address = listener.local_addr()?;
        thread::spawn(move || serve(listener, site));
        let mut connection = TcpStream::connect(address)?;
        connection.write_all(requests.as_bytes())?;
        let mut answer = Vec::new();
        connection.read_to_end(&mut answer)?;
        Ok(String::from_utf8_lossy(&answer).into_owned())
    }

    #[test]
    fn answers_several_requests_on_one_connection() -> Result<()> {
        let answer = exchange(
            "GET / HTTP/1.1\r\nHost: x\r\n\r\nHEAD /assets/engine-1a2b.wasm HTTP/1.1\r\nConnection: close\r\n\r\n",
        )?;
        let (first, second) = answer.split_once("<p>page").expect("the page is in the first answer");
        assert!(first.starts_with("HTTP/1.1 200 OK\r\nContent-Type: text/html"), "{first}");
        assert!(
            first.contains("Content-Length: 7\r\n")
                && first.contains("Cross-Origin-Opener-Policy: same-origin")
        );
        assert!(first.contains("Cache-Control: no-cache\r\nETag: "), "{first}");
        assert!(second.contains("application/wasm") && second.contains("Content-Length: 4\r\n"), "{second}");
        assert!(second.contains("immutable") && second.ends_with("\r\n\r\n"), "{second}");
        Ok(())
    }

    #[test]
    fn a_known_version_is_not_sent_again() -> Result<()> {
        let folder = tempfile::tempdir()?;
        fs::write(folder.path().join("index.html"), "page")?;
        let site = Site::of_folder(folder.path())?;
        let tag = version(&fs::metadata(folder.path().join("index.html"))?);
        let request = Request { method: "GET".into(), address: "/".into(), has: Some(tag), close: true };
        let mut answer = Vec::new();
        respond(&mut answer, &request, &site)?;
        assert!(String::from_utf8_lossy(&answer).starts_with("HTTP/1.1 304 "));
        Ok(())
    }

    #[test]
    fn refuses_what_it_does_not_serve() -> Result<()> {
        let gone = exchange("GET /../Cargo.toml HTTP/1.1\r\nConnection: close\r\n\r\n")?;
        assert!(gone.starts_with("HTTP/1.1 404 "), "{gone}");
        let post = exchange("POST / HTTP/1.1\r\nContent-Length: 3\r\n\r\nabc")?;
        assert!(post.starts_with("HTTP/1.1 405 ") && post.contains("Allow: GET, HEAD"), "{post}");
        Ok(())
    }

    #[test]
    fn a_request_without_an_end_is_not_answered() -> Result<()> {
        let endless = format!("GET / HTTP/1.1\r\nX: {}", "a".repeat(20_000));
        assert_eq!(Request::read(&mut endless.as_bytes())?, None);
        assert_eq!(Request::read(&mut "\r\n".as_bytes())?, None);
        Ok(())
    }

    #[test]
    fn a_taken_port_is_named() -> Result<()> {
        let taken = listen(0)?.local_addr()?.port();
        let holder = TcpListener::bind((Ipv4Addr::LOCALHOST, taken))?;
        let message = listen(taken).expect_err("the port is held").to_string();
        assert!(message.contains(&taken.to_string()) && message.contains("--port"), "{message}");
        drop(holder);
        Ok(())
    }
}
