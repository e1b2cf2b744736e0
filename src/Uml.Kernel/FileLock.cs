using System.ComponentModel;
using System.Runtime.InteropServices;
using Microsoft.Win32.SafeHandles;

namespace Uml.CI;

/// <summary>A lock between processes, exclusive or shared, gone with its holder however that ends (flock).</summary>
internal sealed partial class FileLock : IDisposable
{
    private const int LockShared = 1;
    private const int LockExclusive = 2;
    private const int LockNonBlocking = 4;
    private const int ErrnoWouldBlock = 11;
    private const int ErrnoNoEntry = 2;
    private const int ErrnoInterrupted = 4;

    private readonly SafeFileHandle _handle;

    private FileLock(SafeFileHandle handle) => _handle = handle;

    /// <summary>Takes the lock if it is free.</summary>
    /// <param name="path">Its file.</param>
    /// <param name="shared">Others may hold it too, as long as they share it.</param>
    public static FileLock? TryTake(string path, bool shared = false)
    {
        // Not opened by .NET, which uses flock for its own ideas of sharing. The file stays where it is when the lock is
        // given back: removing it would let two processes lock two files of one name.
        SafeFileHandle handle = Open(path, create: true)!;
        try
        {
            if (TryLock(handle, shared))
            {
                FileLock taken = new(handle);
                handle = null!;
                return taken;
            }

            return null;
        }
        finally
        {
            handle?.Dispose();
        }
    }

    /// <summary>Takes the lock, waiting for its holder; <paramref name="onWait"/> is called once when there is one.</summary>
    public static async Task<FileLock> TakeAsync(string path, Action? onWait, CancellationToken cancellationToken, bool shared = false)
    {
        while (true)
        {
            cancellationToken.ThrowIfCancellationRequested();
            if (TryTake(path, shared) is { } taken)
                return taken;
            onWait?.Invoke();
            onWait = null;
            await Task.Delay(50, cancellationToken);
        }
    }

    /// <summary>Whether somebody holds the lock; nobody holds that of a file that does not exist.</summary>
    public static bool IsHeld(string path)
    {
        using SafeFileHandle? handle = Open(path, create: false);
        return handle is not null && !TryLock(handle, shared: false);
    }

    public void Dispose() => _handle.Dispose();

    private static SafeFileHandle? Open(string path, bool create)
    {
        const int ReadWrite = 2, Create = 0x40, CloseOnExec = 0x80000;
        while (true)
        {
            int fd = open(path, ReadWrite | CloseOnExec | (create ? Create : 0), 0x1B6 /* 0666, less the umask */);
            if (fd >= 0)
                return new SafeFileHandle(fd, ownsHandle: true);
            int error = Marshal.GetLastPInvokeError();
            if (error == ErrnoNoEntry && !create)
                return null;
            if (error != ErrnoInterrupted)
                throw new IOException($"{path} cannot be opened: {new Win32Exception(error).Message}");
        }
    }

    private static bool TryLock(SafeFileHandle file, bool shared)
    {
        int fd = (int)file.DangerousGetHandle();
        while (true)
        {
            if (flock(fd, (shared ? LockShared : LockExclusive) | LockNonBlocking) == 0)
                return true;
            int error = Marshal.GetLastPInvokeError();
            if (error == ErrnoInterrupted)
                continue;
            if (error == ErrnoWouldBlock)
                return false;
            throw new IOException("Locking a file failed: " + new Win32Exception(error).Message + ".");
        }
    }

    [LibraryImport("libc", SetLastError = true, StringMarshalling = StringMarshalling.Utf8)]
    private static partial int open(string path, int flags, uint mode);

    [LibraryImport("libc", SetLastError = true)]
    private static partial int flock(int fd, int operation);
}
