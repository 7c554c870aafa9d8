//! One file over HTTP, resumed where an earlier attempt stopped.

use std::fs::{File, OpenOptions};
use std::io::{Read, Write};
use std::path::{Path, PathBuf};
use std::time::Duration;

use indicatif::ProgressBar;
use ureq::http::{HeaderMap, StatusCode, header};
use ureq::{Agent, Body, http};

use super::{FetchError, io};

/// Largest file that is received: no data set here has 8 GiB.
const LIMIT: u64 = 8 << 30;
/// Attempts in a row without a byte gained before giving up.
const ATTEMPTS: u32 = 3;
/// Pause between attempts.
const PAUSE: Duration = Duration::from_millis(500);
/// How long a server may be silent.
const PATIENCE: Duration = Duration::from_secs(30);

/// How one attempt ended short of the whole file.
enum Stop {
    /// Worth another attempt.
    Broken(String),
    /// Not worth one.
    Fatal(FetchError),
}

/// Receives `url` into the file `part`, going on from what it holds. A note beside it says which version of the file that
/// is (ETag or date), so that the server can send all of it anew if it has changed.
pub(super) fn download(url: &str, part: &Path, bar: &ProgressBar) -> Result<(), FetchError> {
    let agent: Agent = Agent::config_builder()
        .http_status_as_error(false)
        .user_agent(concat!("dvn-train/", env!("CARGO_PKG_VERSION")))
        // Byte ranges count the file's own bytes.
        .accept_encoding("identity")
        .timeout_connect(Some(PATIENCE))
        .timeout_recv_response(Some(PATIENCE))
        .timeout_per_read(Some(PATIENCE))
        .build()
        .into();
    let note = part.with_extension("part-version");
    let mut furthest = length(part)?;
    let mut fruitless = 0;
    loop {
        let what = match attempt(&agent, url, part, &note, bar) {
            Ok(()) => {
                let _ = std::fs::remove_file(&note);
                return Ok(());
            }
            Err(Stop::Fatal(error)) => return Err(error),
            Err(Stop::Broken(what)) => what,
        };
        let bytes = length(part)?;
        fruitless = if bytes > furthest { 0 } else { fruitless + 1 };
        furthest = furthest.max(bytes);
        if fruitless == ATTEMPTS {
            return Err(FetchError::Broken { url: url.into(), what, bytes, part: part.into() });
        }
        std::thread::sleep(PAUSE);
    }
}

/// Bytes that a file holds; 0 without it.
fn length(path: &Path) -> Result<u64, FetchError> {
    match std::fs::metadata(path) {
        Ok(metadata) => Ok(metadata.len()),
        Err(e) if e.kind() == std::io::ErrorKind::NotFound => Ok(0),
        Err(e) => Err(io(path)(e)),
    }
}

/// One request, and its body into the file.
fn attempt(agent: &Agent, url: &str, part: &Path, note: &Path, bar: &ProgressBar) -> Result<(), Stop> {
    let have = length(part).map_err(Stop::Fatal)?;
    let mut request = agent.get(url);
    if have > 0 {
        request = request.header(header::RANGE, format!("bytes={have}-"));
        if let Ok(version) = std::fs::read_to_string(note) {
            request = request.header(header::IF_RANGE, version);
        }
    }
    let response = request.call().map_err(|e| Stop::Broken(e.to_string()))?;
    let (start, total) = match response.status() {
        StatusCode::OK => (0, number(response.headers(), header::CONTENT_LENGTH)),
        StatusCode::PARTIAL_CONTENT => match content_range(response.headers()) {
            Some((first, total)) if first == have => (have, total),
            _ => {
                // Not the bytes that were asked for: start again.
                restart(part).map_err(Stop::Fatal)?;
                return Err(Stop::Broken("the server sent another range than asked for".into()));
            }
        },
        // Nothing beyond what is there: it is whole, or of another file, which its hash will tell.
        StatusCode::RANGE_NOT_SATISFIABLE if have > 0 => return Ok(()),
        status if status.is_server_error() || status == StatusCode::TOO_MANY_REQUESTS => {
            return Err(Stop::Broken(format!("the server answers {}", status.as_u16())));
        }
        status => return Err(Stop::Fatal(FetchError::Status { url: url.into(), status: status.as_u16() })),
    };
    if total.is_some_and(|t| t > LIMIT) {
        let what = format!("the server offers {} bytes, more than any data set has", total.unwrap_or(0));
        return Err(Stop::Fatal(FetchError::Archive { file: PathBuf::from(url), what }));
    }
    bar.set_length(total.unwrap_or(0));
    bar.set_position(start);
    receive(response, start, total, part, note, bar)
}

/// Writes a response's body into `part` from byte `start` on.
fn receive(
    response: http::Response<Body>,
    start: u64,
    total: Option<u64>,
    part: &Path,
    note: &Path,
    bar: &ProgressBar,
) -> Result<(), Stop> {
    let fatal = |path, error| Stop::Fatal(FetchError::Io { path, error });
    let mut file = if start > 0 {
        OpenOptions::new().append(true).open(part).map_err(|e| fatal(part.into(), e))?
    } else {
        match version(response.headers()) {
            Some(version) => std::fs::write(note, version).map_err(|e| fatal(note.into(), e))?,
            None => drop(std::fs::remove_file(note)),
        }
        File::create(part).map_err(|e| fatal(part.into(), e))?
    };
    let mut body = response.into_body().into_reader();
    let mut buffer = vec![0; 1 << 16];
    let mut at = start;
    loop {
        let read = body.read(&mut buffer).map_err(|e| Stop::Broken(format!("the connection broke: {e}")))?;
        if read == 0 {
            break;
        }
        at += read as u64;
        if at > LIMIT {
            return Err(Stop::Fatal(FetchError::Archive {
                file: part.into(),
                what: "the server sends more bytes than any data set has".into(),
            }));
        }
        file.write_all(&buffer[..read]).map_err(|e| fatal(part.into(), e))?;
        bar.set_position(at);
    }
    match total {
        Some(total) if at < total => {
            Err(Stop::Broken(format!("the connection ended at byte {at} of {total}")))
        }
        _ => Ok(()),
    }
}

fn restart(part: &Path) -> Result<(), FetchError> {
    File::create(part).map(drop).map_err(io(part))
}

/// What If-Range may hold: a strong ETag, else the date of the last change.
fn version(headers: &HeaderMap) -> Option<String> {
    let text = |name| headers.get(name).and_then(|v| v.to_str().ok());
    let etag = text(header::ETAG).filter(|tag| !tag.starts_with("W/"));
    etag.or_else(|| text(header::LAST_MODIFIED)).map(String::from)
}

fn number(headers: &HeaderMap, name: header::HeaderName) -> Option<u64> {
    headers.get(name)?.to_str().ok()?.trim().parse().ok()
}

/// First byte and whole length of `bytes FIRST-LAST/TOTAL`.
fn content_range(headers: &HeaderMap) -> Option<(u64, Option<u64>)> {
    let text = headers.get(header::CONTENT_RANGE)?.to_str().ok()?.strip_prefix("bytes ")?;
    let (range, total) = text.split_once('/')?;
    Some((range.split_once('-')?.0.parse().ok()?, total.parse().ok()))
}
