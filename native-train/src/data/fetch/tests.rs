use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::thread;

use flate2::Compression;
use flate2::write::GzEncoder;
use sha2::Digest as _;

use super::*;

/// What a server does with the n-th request that it gets.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Reply {
    /// Serves the file, ranges included.
    Good,
    /// Serves so many bytes of the body and hangs up.
    Cut(usize),
    /// Serves all of the file whatever range is asked for.
    IgnoreRange,
    /// Serves another version of the file, with another ETag.
    Changed,
    /// Answers with an error.
    Status(u16),
}

/// A server on this machine that answers each request by the next of `replies`, the last one for ever. Returns its address
/// and the request heads that it has seen.
fn serve(file: Vec<u8>, replies: Vec<Reply>) -> (String, Arc<Mutex<Vec<String>>>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}/file.tar.gz", listener.local_addr().unwrap());
    let heads = Arc::new(Mutex::new(Vec::new()));
    let seen = Arc::clone(&heads);
    thread::spawn(move || {
        let mut number = 0;
        for stream in listener.incoming() {
            let Ok(stream) = stream else { continue };
            let reply = replies[number.min(replies.len() - 1)];
            number += 1;
            // A client that hangs up early is its own affair.
            let _ = answer(stream, &file, reply, &seen);
        }
    });
    (url, heads)
}

fn answer(
    mut stream: TcpStream,
    file: &[u8],
    reply: Reply,
    seen: &Mutex<Vec<String>>,
) -> std::io::Result<()> {
    let mut head = String::new();
    let mut reader = BufReader::new(stream.try_clone()?);
    while !head.ends_with("\r\n\r\n") && reader.read_line(&mut head)? > 0 {}
    let head = head.to_ascii_lowercase();
    seen.lock().unwrap().push(head.clone());
    let header = |name: &str| head.lines().find_map(|l| l.strip_prefix(name)).map(str::trim);
    let etag = if reply == Reply::Changed { "\"two\"" } else { "\"one\"" };
    let start = header("range: bytes=").and_then(|r| r.trim_end_matches('-').parse::<usize>().ok());
    let start =
        start.filter(|_| reply != Reply::IgnoreRange && header("if-range:").is_none_or(|v| v == etag));
    let (status, extra, body) = match (reply, start) {
        (Reply::Status(code), _) => (code, String::new(), &b"no"[..]),
        (_, Some(start)) if start >= file.len() => {
            (416, format!("Content-Range: bytes */{}\r\n", file.len()), &[][..])
        }
        (_, Some(start)) => {
            let range = format!("Content-Range: bytes {start}-{}/{}\r\n", file.len() - 1, file.len());
            (206, range, &file[start..])
        }
        (_, None) => (200, String::new(), file),
    };
    write!(
        stream,
        "HTTP/1.1 {status} X\r\nContent-Length: {}\r\nETag: {etag}\r\n{extra}Connection: close\r\n\r\n",
        body.len()
    )?;
    let sent = if let Reply::Cut(bytes) = reply { bytes.min(body.len()) } else { body.len() };
    stream.write_all(&body[..sent])?;
    stream.flush()
}

/// A tar.gz of a folder `set` with two files, of which one does not compress.
fn archive() -> Vec<u8> {
    let mut rng = crate::data::rng::Rng::keyed(&[1]);
    let noise: Vec<u8> = (0..200_000).map(|_| rng.bits() as u8).collect();
    tar_gz(&[("set/names.txt", b"a\nb\n"), ("set/deep/noise.bin", &noise)])
}

fn tar_gz(files: &[(&str, &[u8])]) -> Vec<u8> {
    let mut tar = tar::Builder::new(GzEncoder::new(Vec::new(), Compression::fast()));
    for (path, content) in files {
        let mut header = tar::Header::new_gnu();
        // `set_path` refuses just the paths that are to be tested.
        header.as_gnu_mut().unwrap().name[..path.len()].copy_from_slice(path.as_bytes());
        header.set_size(content.len() as u64);
        header.set_mode(0o644);
        header.set_cksum();
        tar.append(&header, *content).unwrap();
    }
    tar.into_inner().unwrap().finish().unwrap()
}

fn source(url: &str, file: &[u8]) -> Source {
    Source {
        name: "set".into(),
        url: url.to_string().into(),
        file: "set.tar.gz".into(),
        digest: Digest::Sha256(digest::hex(&sha2::Sha256::digest(file)).into()),
        archive: Archive::TarGz,
        folder: "set".into(),
    }
}

fn get(source: &Source, dir: &Path) -> Result<Fetched, FetchError> {
    fetch(source, dir, &ProgressBar::hidden())
}

/// Nothing but the unpacked set lies in the data folder.
fn assert_unpacked(dir: &Path) {
    let names: Vec<_> = std::fs::read_dir(dir).unwrap().map(|e| e.unwrap().file_name()).collect();
    assert_eq!(names, ["set"]);
    assert_eq!(std::fs::read(dir.join("set/names.txt")).unwrap(), b"a\nb\n");
    assert_eq!(std::fs::metadata(dir.join("set/deep/noise.bin")).unwrap().len(), 200_000);
}

#[test]
fn a_set_is_downloaded_checked_and_unpacked_once() {
    let dir = tempfile::tempdir().unwrap();
    let file = archive();
    let (url, heads) = serve(file.clone(), vec![Reply::Good]);
    let source = source(&url, &file);
    assert_eq!(get(&source, dir.path()).unwrap(), Fetched::Unpacked(dir.path().join("set")));
    assert_unpacked(dir.path());
    assert_eq!(get(&source, dir.path()).unwrap(), Fetched::AlreadyThere(dir.path().join("set")));
    assert_eq!(heads.lock().unwrap().len(), 1);
}

#[test]
fn a_broken_download_goes_on_by_itself_while_bytes_come() {
    let dir = tempfile::tempdir().unwrap();
    let file = archive();
    let (url, heads) = serve(file.clone(), vec![Reply::Cut(70_000), Reply::Cut(70_000), Reply::Good]);
    get(&source(&url, &file), dir.path()).unwrap();
    assert_unpacked(dir.path());
    let heads = heads.lock().unwrap();
    assert!(!heads[0].contains("range:"), "{}", heads[0]);
    assert!(
        heads[1].contains("range: bytes=70000-") && heads[1].contains("if-range: \"one\""),
        "{}",
        heads[1]
    );
    assert!(heads[2].contains("range: bytes=140000-"), "{}", heads[2]);
}

#[test]
fn a_download_given_up_is_resumed_by_the_next_call() {
    let dir = tempfile::tempdir().unwrap();
    let file = archive();
    let (url, _) = serve(file.clone(), vec![Reply::Cut(70_000), Reply::Status(503)]);
    let error = get(&source(&url, &file), dir.path()).unwrap_err();
    assert!(matches!(error, FetchError::Broken { bytes: 70_000, .. }), "{error}");
    assert!(error.to_string().contains("set.tar.gz.part"), "{error}");
    assert_eq!(std::fs::read(dir.path().join("set.tar.gz.part")).unwrap(), file[..70_000]);
    let (url, heads) = serve(file.clone(), vec![Reply::Good]);
    get(&source(&url, &file), dir.path()).unwrap();
    assert_unpacked(dir.path());
    assert!(heads.lock().unwrap()[0].contains("range: bytes=70000-"));
}

#[test]
fn a_server_without_ranges_and_a_file_that_changed_start_anew() {
    for reply in [Reply::IgnoreRange, Reply::Changed] {
        let dir = tempfile::tempdir().unwrap();
        let file = archive();
        let (url, heads) = serve(file.clone(), vec![Reply::Cut(70_000), reply]);
        get(&source(&url, &file), dir.path()).unwrap();
        assert_unpacked(dir.path());
        assert_eq!(heads.lock().unwrap().len(), 2, "{reply:?}");
    }
}

#[test]
fn a_part_that_was_whole_already_is_used() {
    let dir = tempfile::tempdir().unwrap();
    let file = archive();
    std::fs::write(dir.path().join("set.tar.gz.part"), &file).unwrap();
    let (url, heads) = serve(file.clone(), vec![Reply::Good]);
    get(&source(&url, &file), dir.path()).unwrap();
    assert_unpacked(dir.path());
    assert!(heads.lock().unwrap()[0].contains(&format!("range: bytes={}-", file.len())));
}

#[test]
fn a_wrong_hash_is_told_and_its_file_removed() {
    let dir = tempfile::tempdir().unwrap();
    let file = archive();
    let (url, _) = serve(file.clone(), vec![Reply::Good]);
    let wrong = Source { digest: Digest::md5("00000000000000000000000000000000"), ..source(&url, &file) };
    let error = get(&wrong, dir.path()).unwrap_err().to_string();
    assert!(error.contains("MD5") && error.contains("expected 0000"), "{error}");
    assert_eq!(std::fs::read_dir(dir.path()).unwrap().count(), 0);
}

#[test]
fn a_missing_file_is_told_at_once() {
    let dir = tempfile::tempdir().unwrap();
    let (url, heads) = serve(archive(), vec![Reply::Status(404)]);
    let error = get(&source(&url, b""), dir.path()).unwrap_err();
    assert!(matches!(error, FetchError::Status { status: 404, .. }), "{error}");
    assert_eq!(heads.lock().unwrap().len(), 1);
}

#[test]
fn without_a_server_the_error_says_so() {
    let dir = tempfile::tempdir().unwrap();
    let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let error = get(&source(&format!("http://127.0.0.1:{port}/x"), b""), dir.path()).unwrap_err();
    assert!(matches!(error, FetchError::Broken { bytes: 0, .. }), "{error}");
}

#[test]
fn an_archive_put_there_by_hand_is_used_if_it_is_right() {
    let dir = tempfile::tempdir().unwrap();
    let file = archive();
    let here = source("http://127.0.0.1:1/never", &file);
    std::fs::write(dir.path().join("set.tar.gz"), &file[1..]).unwrap();
    let error = get(&here, dir.path()).unwrap_err().to_string();
    assert!(error.contains("remove it to download it anew"), "{error}");
    std::fs::write(dir.path().join("set.tar.gz"), &file).unwrap();
    get(&here, dir.path()).unwrap();
    assert_unpacked(dir.path());
}

/// Unpacks an archive lying in the data folder; what is left there must be the archive alone.
fn refused(file: &[u8], kind: Archive) -> String {
    let dir = tempfile::tempdir().unwrap();
    let inside = dir.path().join("inside");
    std::fs::create_dir(&inside).unwrap();
    std::fs::write(inside.join("set.tar.gz"), file).unwrap();
    let source = Source { archive: kind, ..source("http://127.0.0.1:1/never", file) };
    let error = get(&source, &inside).unwrap_err();
    assert!(matches!(error, FetchError::Archive { .. }), "{error}");
    assert_eq!(std::fs::read_dir(dir.path()).unwrap().count(), 1, "something lies outside the data folder");
    assert_eq!(std::fs::read_dir(&inside).unwrap().count(), 1, "something is left of the archive");
    error.to_string()
}

fn zip_of(files: &[(&str, &[u8])]) -> Vec<u8> {
    let mut zip = zip::ZipWriter::new(std::io::Cursor::new(Vec::new()));
    for (path, content) in files {
        zip.start_file(*path, zip::write::SimpleFileOptions::default()).unwrap();
        zip.write_all(content).unwrap();
    }
    zip.finish().unwrap().into_inner()
}

#[test]
fn entries_that_would_lie_outside_are_refused() {
    for path in ["../evil.txt", "set/../../evil.txt", "/evil.txt", "set\\evil.txt"] {
        let files: &[(&str, &[u8])] = &[("set/a", b"a"), (path, b"evil")];
        assert!(refused(&tar_gz(files), Archive::TarGz).contains("outside its folder"), "{path}");
        assert!(refused(&zip_of(files), Archive::Zip).contains("outside its folder"), "{path}");
    }
}

#[test]
fn links_are_refused() {
    let mut tar = tar::Builder::new(GzEncoder::new(Vec::new(), Compression::fast()));
    let mut header = tar::Header::new_gnu();
    header.set_entry_type(tar::EntryType::Symlink);
    header.set_size(0);
    tar.append_link(&mut header, "set/link", "/etc").unwrap();
    let file = tar.into_inner().unwrap().finish().unwrap();
    assert!(refused(&file, Archive::TarGz).contains("neither file nor folder"));

    let mut zip = zip::ZipWriter::new(std::io::Cursor::new(Vec::new()));
    zip.add_symlink("set/link", "/etc", zip::write::SimpleFileOptions::default()).unwrap();
    assert!(refused(&zip.finish().unwrap().into_inner(), Archive::Zip).contains("is a link"));
}

#[test]
fn archives_that_are_damaged_or_of_something_else_are_told() {
    let whole = archive();
    refused(&whole[..whole.len() / 2], Archive::TarGz);
    refused(b"not an archive", Archive::TarGz);
    refused(b"not an archive", Archive::Zip);
    assert!(refused(&tar_gz(&[("other/a", b"a")]), Archive::TarGz).contains("no folder 'set'"));
}

#[test]
fn a_zip_is_unpacked() {
    let dir = tempfile::tempdir().unwrap();
    let file = zip_of(&[("set/names.txt", b"a\nb\n"), ("set/deep/noise.bin", &[7; 200_000])]);
    let (url, _) = serve(file.clone(), vec![Reply::Good]);
    get(&Source { archive: Archive::Zip, ..source(&url, &file) }, dir.path()).unwrap();
    assert_unpacked(dir.path());
    let mut noise = Vec::new();
    std::fs::File::open(dir.path().join("set/deep/noise.bin")).unwrap().read_to_end(&mut noise).unwrap();
    assert_eq!(noise, [7; 200_000]);
}

#[test]
fn every_name_that_can_be_fetched_has_a_source_of_a_full_hash() {
    for name in Source::NAMES {
        let source = Source::of(name).unwrap();
        let length = if source.digest.algorithm() == "MD5" { 32 } else { 64 };
        assert_eq!(source.digest.hex().len(), length, "{name}");
        assert!(crate::data::Spec::parse(name).is_ok(), "{name}");
    }
    assert!(Source::of("sample-cifar10").is_none());
}
