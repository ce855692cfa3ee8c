//! Local files: written whole and synced, directories included, before anyone may see them.

use std::fs;
use std::io::{self, Read, Seek, Write};
use std::path::{Path, PathBuf};

use brooklet_core::env::CrashPoint;
use brooklet_core::{Env, Error, Result};
use bytes::Bytes;

use super::store::{File, is_hidden};

/// A directory, or a single file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Local {
    root: PathBuf,
}

/// A file to be written.
pub struct Put {
    pub name: String,
    pub content: Bytes,
    /// Remove first what a crash left in the directory: hidden files that hold this text.
    pub clean: Option<String>,
}

impl Local {
    pub fn new(root: &str) -> Self {
        Local { root: PathBuf::from(root) }
    }

    fn path(&self, name: &str) -> PathBuf {
        if name.is_empty() { self.root.clone() } else { self.root.join(name) }
    }

    pub fn exists(&self) -> bool {
        self.root.exists()
    }

    pub fn list(&self) -> Result<Vec<File>> {
        let meta = fs::metadata(&self.root).map_err(|e| fault("read", &self.root, e))?;
        if meta.is_file() {
            return Ok(vec![File { name: String::new(), size: meta.len() }]);
        }
        let mut files = Vec::new();
        let mut open = vec![String::new()];
        while let Some(directory) = open.pop() {
            let path = self.path(&directory);
            for entry in fs::read_dir(&path).map_err(|e| fault("list", &path, e))? {
                let entry = entry.map_err(|e| fault("list", &path, e))?;
                let Ok(own) = entry.file_name().into_string() else {
                    return Err(Error::data(format!("{:?} is not named in UTF-8", entry.path())));
                };
                if is_hidden(&own) {
                    continue;
                }
                let name = if directory.is_empty() { own } else { format!("{directory}/{own}") };
                // Follows links, as reading will.
                let meta = fs::metadata(entry.path()).map_err(|e| fault("read", &path, e))?;
                if meta.is_dir() {
                    open.push(name);
                } else {
                    files.push(File { name, size: meta.len() });
                }
            }
        }
        Ok(files)
    }

    pub fn read(&self, name: &str, from: u64, to: u64) -> Result<Bytes> {
        let path = self.path(name);
        let read = || -> io::Result<Vec<u8>> {
            let mut file = fs::File::open(&path)?;
            file.seek(io::SeekFrom::Start(from))?;
            let mut content = Vec::with_capacity((to - from) as usize);
            file.take(to - from).read_to_end(&mut content)?;
            Ok(content)
        };
        Ok(read().map_err(|e| fault("read", &path, e))?.into())
    }

    /// Temporary file, sync, rename, sync of the directory. What a crash leaves is a hidden
    /// file.
    pub fn put(&self, file: &Put, env: &Env) -> Result<()> {
        let path = self.path(&file.name);
        let (Some(directory), Some(own)) = (path.parent(), path.file_name()) else {
            return Err(Error::bug(format!("'{}' is no name of a file", file.name)));
        };
        create_directories(directory).map_err(|e| fault("create", directory, e))?;
        let own = own.to_string_lossy();
        if let Some(mark) = &file.clean {
            remove_stale(directory, mark).map_err(|e| fault("clean", directory, e))?;
        }
        let temporary = directory.join(format!(".{own}.{:016x}.tmp", env.random()));
        self.write(&temporary, &file.content, env)?;
        fs::rename(&temporary, &path).map_err(|e| fault("write", &path, e))?;
        sync_directory(directory).map_err(|e| fault("write", directory, e))
    }

    /// A file that is not there is no error.
    pub fn delete(&self, name: &str) -> Result<()> {
        let path = self.path(name);
        match fs::remove_file(&path) {
            Err(e) if e.kind() == io::ErrorKind::NotFound => Ok(()),
            Err(e) => Err(fault("delete", &path, e)),
            Ok(()) => {
                let directory = path.parent().unwrap_or(Path::new(""));
                sync_directory(directory).map_err(|e| fault("delete", directory, e))
            }
        }
    }

    fn write(&self, path: &Path, content: &[u8], env: &Env) -> Result<()> {
        let fault = |e| fault("write", path, e);
        let mut file = fs::File::create(path).map_err(fault)?;
        let (front, back) = content.split_at(content.len() / 2);
        file.write_all(front).map_err(fault)?;
        env.at(CrashPoint::MidUpload)?;
        file.write_all(back).map_err(fault)?;
        file.sync_all().map_err(fault)
    }
}

/// Creates what is missing of a directory's path and makes each new entry durable.
fn create_directories(directory: &Path) -> io::Result<()> {
    if directory.as_os_str().is_empty() || directory.is_dir() {
        return Ok(());
    }
    let parent = directory.parent().unwrap_or(Path::new(""));
    create_directories(parent)?;
    match fs::create_dir(directory) {
        Err(e) if e.kind() == io::ErrorKind::AlreadyExists => {}
        other => other?,
    }
    sync_directory(parent)
}

/// Removes temporary files whose name holds `mark`.
fn remove_stale(directory: &Path, mark: &str) -> io::Result<()> {
    for entry in fs::read_dir(directory)? {
        let entry = entry?;
        let name = entry.file_name();
        let name = name.to_string_lossy();
        if name.starts_with('.') && name.ends_with(".tmp") && name.contains(mark) {
            fs::remove_file(entry.path())?;
        }
    }
    Ok(())
}

fn sync_directory(directory: &Path) -> io::Result<()> {
    let directory = if directory.as_os_str().is_empty() { Path::new(".") } else { directory };
    fs::File::open(directory)?.sync_all()
}

fn fault(doing: &str, path: &Path, error: io::Error) -> Error {
    let said = format!("could not {doing} {}", path.display());
    match error.kind() {
        io::ErrorKind::NotFound
        | io::ErrorKind::PermissionDenied
        | io::ErrorKind::NotADirectory
        | io::ErrorKind::IsADirectory
        | io::ErrorKind::ReadOnlyFilesystem
        | io::ErrorKind::InvalidFilename => Error::refused(said).caused_by(error),
        // A full disk, a network file system that is away: the same may succeed later.
        _ => Error::outside(said).caused_by(error),
    }
}
