//! Calls of Windows for which std and safe crates have no safe form: the only module of this system with `unsafe`.
//!
//! Each function takes borrowed files and texts, which live until its call returns, and gives back owned values. What the system
//! allocates is freed by [`Local`]; handles that it opens are owned at once. No function keeps a pointer.

#![expect(unsafe_code, reason = "calls of the system, each with the reason why it is sound")]

use std::ffi::{OsStr, c_void};
use std::fs::File;
use std::io;
use std::os::windows::ffi::OsStrExt as _;
use std::os::windows::io::{AsHandle, AsRawHandle as _, BorrowedHandle, FromRawHandle as _, OwnedHandle};
use std::path::Path;
use std::ptr::{null, null_mut};

use windows_sys::Win32::Foundation::{
    ERROR_ACCESS_DENIED, ERROR_IO_PENDING, ERROR_LOCK_VIOLATION, GENERIC_READ, GENERIC_WRITE, HANDLE,
    HANDLE_FLAG_INHERIT, INVALID_HANDLE_VALUE, LocalFree, SetHandleInformation, WAIT_TIMEOUT,
};
use windows_sys::Win32::Security::Authorization::{
    ConvertSecurityDescriptorToStringSecurityDescriptorW, ConvertSidToStringSidW,
    ConvertStringSecurityDescriptorToSecurityDescriptorW, GetSecurityInfo, SDDL_REVISION_1, SE_FILE_OBJECT,
};
use windows_sys::Win32::Security::{
    DACL_SECURITY_INFORMATION, GetTokenInformation, OWNER_SECURITY_INFORMATION,
    PROTECTED_DACL_SECURITY_INFORMATION, PSID, SECURITY_ATTRIBUTES, SetKernelObjectSecurity,
    TOKEN_INFORMATION_CLASS, TOKEN_QUERY, TokenOwner, TokenUser,
};
use windows_sys::Win32::Storage::FileSystem::{
    CREATE_NEW, CreateDirectoryW, CreateFileW, FILE_ATTRIBUTE_NORMAL, FILE_ATTRIBUTE_TAG_INFO,
    FILE_BASIC_INFO, FILE_COMPRESSION_INFO, FILE_FLAG_OPEN_REPARSE_POINT, FILE_INFO_BY_HANDLE_CLASS,
    FILE_SHARE_DELETE, FILE_SHARE_READ, FILE_SHARE_WRITE, FileAttributeTagInfo, FileBasicInfo,
    FileCompressionInfo, GetDiskFreeSpaceExW, GetFileInformationByHandleEx, LOCKFILE_EXCLUSIVE_LOCK,
    LOCKFILE_FAIL_IMMEDIATELY, LockFileEx, MOVEFILE_WRITE_THROUGH, MoveFileExW, ReOpenFile, WRITE_DAC,
};
use windows_sys::Win32::System::IO::{DeviceIoControl, OVERLAPPED};
use windows_sys::Win32::System::Ioctl::FSCTL_SET_SPARSE;
use windows_sys::Win32::System::SystemInformation::{GlobalMemoryStatusEx, MEMORYSTATUSEX};
use windows_sys::Win32::System::Threading::{
    GetCurrentProcess, OpenProcess, OpenProcessToken, PROCESS_QUERY_LIMITED_INFORMATION, PROCESS_SYNCHRONIZE,
    WaitForSingleObject,
};

/// Other processes may do all of this with a file while it is open here, as with files that std opens.
const SHARED: u32 = FILE_SHARE_READ | FILE_SHARE_WRITE | FILE_SHARE_DELETE;
/// What is asked of the security of a file.
const ASKED: u32 = OWNER_SECURITY_INFORMATION | DACL_SECURITY_INFORMATION;
/// Place of the one byte that is locked: beyond every file, since a locked byte can be read by no other opening.
const LOCKED_HIGH: u32 = 1 << 30;

/// Memory that the system allocated for its caller.
struct Local(*mut c_void);

impl Drop for Local {
    fn drop(&mut self) {
        // SAFETY: the pointer came from a call that says to free it so, and nothing else does.
        unsafe { LocalFree(self.0) };
    }
}

fn answer(done: i32) -> io::Result<()> {
    if done == 0 { Err(io::Error::last_os_error()) } else { Ok(()) }
}

fn handle(file: &File) -> HANDLE {
    file.as_raw_handle()
}

/// A text as the system takes it: 16-bit units and a zero.
fn wide(text: &OsStr) -> io::Result<Vec<u16>> {
    let units: Vec<u16> = text.encode_wide().chain([0]).collect();
    if units.iter().position(|&unit| unit == 0) == Some(units.len() - 1) {
        return Ok(units);
    }
    Err(io::Error::new(io::ErrorKind::InvalidInput, "the name has a zero in it"))
}

/// The text of 16-bit units that the system allocated.
///
/// # Safety
///
/// `text` points to units that end with a zero.
unsafe fn text_of(text: &Local) -> String {
    let units: *const u16 = text.0.cast_const().cast();
    // SAFETY: each unit up to the zero may be read, and the slice ends before it.
    let units = unsafe {
        let count = (0..).take_while(|&at| *units.add(at) != 0).count();
        std::slice::from_raw_parts(units, count)
    };
    String::from_utf16_lossy(units)
}

/// One class of information about an open file.
///
/// # Safety
///
/// `T` is the structure of this class, and has only integers.
unsafe fn information<T: Default>(file: &File, class: FILE_INFO_BY_HANDLE_CLASS) -> io::Result<T> {
    let mut found = T::default();
    let size = u32::try_from(size_of::<T>()).unwrap_or(0);
    // SAFETY: at most `size` bytes of `found` are written, which is its size.
    answer(unsafe { GetFileInformationByHandleEx(handle(file), class, (&raw mut found).cast(), size) })?;
    Ok(found)
}

/// The last change of content or attributes, in 100 nanoseconds since 1601.
pub(super) fn change_time(file: &File) -> io::Result<i64> {
    // SAFETY: the structure of this class, of integers.
    unsafe { information::<FILE_BASIC_INFO>(file, FileBasicInfo) }.map(|found| found.ChangeTime)
}

/// Bytes that a file takes on the disk, its holes not counted.
pub(super) fn stored_bytes(file: &File) -> io::Result<i64> {
    // SAFETY: the structure of this class, of integers.
    unsafe { information::<FILE_COMPRESSION_INFO>(file, FileCompressionInfo) }
        .map(|found| found.CompressedFileSize)
}

/// The tag of a reparse point, which says what kind of one it is.
pub(super) fn reparse_tag(file: &File) -> io::Result<u32> {
    // SAFETY: the structure of this class, of integers.
    unsafe { information::<FILE_ATTRIBUTE_TAG_INFO>(file, FileAttributeTagInfo) }
        .map(|found| found.ReparseTag)
}

/// Owner and access list of an open file, as SDDL.
pub(super) fn security(file: &File) -> io::Result<String> {
    let mut descriptor = null_mut();
    let none = null_mut();
    // SAFETY: only the last of the places is asked for; it gets a pointer that its caller frees.
    let code = unsafe {
        let (owner, group, list, audit) = (null_mut(), null_mut(), null_mut(), null_mut());
        GetSecurityInfo(handle(file), SE_FILE_OBJECT, ASKED, owner, group, list, audit, &raw mut descriptor)
    };
    if code != 0 {
        return Err(io::Error::from_raw_os_error(code.cast_signed()));
    }
    let descriptor = Local(descriptor);
    let mut text = null_mut();
    // SAFETY: a descriptor that the system just made; the text is freed by `Local`, and ends with a zero.
    unsafe {
        answer(ConvertSecurityDescriptorToStringSecurityDescriptorW(
            descriptor.0,
            SDDL_REVISION_1,
            ASKED,
            &raw mut text,
            none,
        ))?;
        Ok(text_of(&Local(text.cast())))
    }
}

/// The binary form of SDDL.
fn descriptor(sddl: &str) -> io::Result<Local> {
    let text = wide(OsStr::new(sddl))?;
    let mut made = null_mut();
    let convert = ConvertStringSecurityDescriptorToSecurityDescriptorW;
    // SAFETY: the text ends with a zero; the place gets a pointer that its caller frees.
    answer(unsafe { convert(text.as_ptr(), SDDL_REVISION_1, &raw mut made, null_mut()) })?;
    Ok(Local(made))
}

fn attributes(descriptor: &Local) -> SECURITY_ATTRIBUTES {
    let size = u32::try_from(size_of::<SECURITY_ATTRIBUTES>()).unwrap_or(0);
    SECURITY_ATTRIBUTES { nLength: size, lpSecurityDescriptor: descriptor.0, bInheritHandle: 0 }
}

/// Creates a file with this security from the first moment, for reading and writing; a name that is taken is an error.
pub(super) fn create_file(path: &Path, sddl: &str) -> io::Result<File> {
    let (path, descriptor) = (wide(path.as_os_str())?, descriptor(sddl)?);
    let (access, flags) =
        (GENERIC_READ | GENERIC_WRITE, FILE_ATTRIBUTE_NORMAL | FILE_FLAG_OPEN_REPARSE_POINT);
    let with = attributes(&descriptor);
    // SAFETY: path and attributes live until the call returns, and the handle that it makes is owned here alone.
    unsafe {
        let made = CreateFileW(path.as_ptr(), access, SHARED, &raw const with, CREATE_NEW, flags, null_mut());
        owned(made)
    }
}

/// Owns a handle that a call just made.
///
/// # Safety
///
/// Nothing else owns it.
unsafe fn owned(made: HANDLE) -> io::Result<File> {
    if made == INVALID_HANDLE_VALUE || made.is_null() {
        return Err(io::Error::last_os_error());
    }
    // SAFETY: the caller's promise.
    Ok(unsafe { File::from_raw_handle(made) })
}

/// Creates a folder with this security from the first moment.
pub(super) fn create_folder(path: &Path, sddl: &str) -> io::Result<()> {
    let (path, descriptor) = (wide(path.as_os_str())?, descriptor(sddl)?);
    let with = attributes(&descriptor);
    // SAFETY: path and attributes live until the call returns.
    answer(unsafe { CreateDirectoryW(path.as_ptr(), &raw const with) })
}

/// Replaces the access list of an open file, whatever it was opened for.
pub(super) fn set_security(file: &File, sddl: &str) -> io::Result<()> {
    let descriptor = descriptor(sddl)?;
    // SAFETY: a handle that is open; the new one is owned here alone.
    let open = unsafe { owned(ReOpenFile(handle(file), WRITE_DAC, SHARED, 0)) }?;
    let what = DACL_SECURITY_INFORMATION | PROTECTED_DACL_SECURITY_INFORMATION;
    // SAFETY: the descriptor lives until the call returns.
    answer(unsafe { SetKernelObjectSecurity(handle(&open), what, descriptor.0) })
}

/// The account of this process, and the account that owns what it makes, as SIDs.
pub(super) fn accounts() -> io::Result<(String, String)> {
    let mut token = null_mut();
    // SAFETY: the handle that the call makes is owned here alone; that of the process needs no closing.
    let token = unsafe {
        answer(OpenProcessToken(GetCurrentProcess(), TOKEN_QUERY, &raw mut token))?;
        OwnedHandle::from_raw_handle(token)
    };
    Ok((account(&token, TokenUser)?, account(&token, TokenOwner)?))
}

/// The SID with which the information of this class begins.
fn account(token: &OwnedHandle, class: TOKEN_INFORMATION_CLASS) -> io::Result<String> {
    // A SID has 68 bytes at most, and is in the same buffer as the pointer to it, which both classes begin with.
    let mut buffer = [null_mut::<c_void>(); 32];
    let (size, mut used) = (u32::try_from(size_of_val(&buffer)).unwrap_or(0), 0);
    let mut text = null_mut();
    // SAFETY: at most `size` bytes of the buffer are written, which is aligned for pointers; its first pointer leads into
    // it. The text is freed by `Local`, and ends with a zero.
    unsafe {
        let place = (&raw mut buffer).cast();
        answer(GetTokenInformation(token.as_raw_handle(), class, place, size, &raw mut used))?;
        let sid: PSID = buffer[0];
        answer(ConvertSidToStringSidW(sid, &raw mut text))?;
        Ok(text_of(&Local(text.cast())))
    }
}

/// Renames to a name that must be free, on the same volume; returns when the disk has it.
pub(super) fn move_file(from: &Path, to: &Path) -> io::Result<()> {
    let (from, to) = (wide(from.as_os_str())?, wide(to.as_os_str())?);
    // SAFETY: both texts end with a zero.
    answer(unsafe { MoveFileExW(from.as_ptr(), to.as_ptr(), MOVEFILE_WRITE_THROUGH) })
}

/// Locks one byte beyond the end of every file without waiting; `false` when another opening has it.
pub(super) fn lock_byte(file: &File) -> io::Result<bool> {
    let mut place = OVERLAPPED::default();
    place.Anonymous.Anonymous.OffsetHigh = LOCKED_HIGH;
    let how = LOCKFILE_EXCLUSIVE_LOCK | LOCKFILE_FAIL_IMMEDIATELY;
    // SAFETY: the file was opened for calls that wait, so that the system has done with `place` when the call returns.
    match answer(unsafe { LockFileEx(handle(file), how, 0, 1, 0, &raw mut place) }) {
        Ok(()) => Ok(true),
        Err(error) => match error.raw_os_error().map(i32::cast_unsigned) {
            Some(ERROR_LOCK_VIOLATION | ERROR_IO_PENDING) => Ok(false),
            _ => Err(error),
        },
    }
}

/// Lets places of a file that were never written take no space.
pub(super) fn set_sparse(file: &File) -> io::Result<()> {
    let mut used = 0;
    // SAFETY: this control takes and gives no bytes.
    answer(unsafe {
        let (input, output) = (null(), null_mut());
        DeviceIoControl(handle(file), FSCTL_SET_SPARSE, input, 0, output, 0, &raw mut used, null_mut())
    })
}

/// Bytes that this user may still write to the volume of a folder.
pub(super) fn free_bytes(folder: &Path) -> io::Result<u64> {
    let (folder, mut free) = (wide(folder.as_os_str())?, 0);
    // SAFETY: the text ends with a zero; the other two numbers are not asked for.
    answer(unsafe { GetDiskFreeSpaceExW(folder.as_ptr(), &raw mut free, null_mut(), null_mut()) })?;
    Ok(free)
}

/// True if a process with this id runs, of whichever account.
pub(super) fn is_process(id: u32) -> bool {
    // SAFETY: takes numbers; the handle that it makes is owned here alone. A process that has ended can be opened as long as
    // another process has a handle of it: it counts as gone.
    unsafe {
        match owned(OpenProcess(PROCESS_QUERY_LIMITED_INFORMATION | PROCESS_SYNCHRONIZE, 0, id)) {
            Ok(process) => WaitForSingleObject(handle(&process), 0) == WAIT_TIMEOUT,
            Err(error) => error.raw_os_error().map(i32::cast_unsigned) == Some(ERROR_ACCESS_DENIED),
        }
    }
}

/// Memory of the machine, bytes.
pub(super) fn memory_bytes() -> io::Result<u64> {
    let size = u32::try_from(size_of::<MEMORYSTATUSEX>()).unwrap_or(0);
    let mut found = MEMORYSTATUSEX { dwLength: size, ..Default::default() };
    // SAFETY: the structure says its own size.
    answer(unsafe { GlobalMemoryStatusEx(&raw mut found) })?;
    Ok(found.ullTotalPhys)
}

/// Keeps a handle from processes that this one starts.
pub(super) fn keep_from_children(stream: BorrowedHandle<'_>) -> io::Result<()> {
    // SAFETY: a handle that is open, or none, which is an error.
    answer(unsafe { SetHandleInformation(stream.as_handle().as_raw_handle(), HANDLE_FLAG_INHERIT, 0) })
}
