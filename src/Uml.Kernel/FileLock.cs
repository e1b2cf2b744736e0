using Microsoft.Win32.SafeHandles;

namespace Uml.CI;

/// <summary>An exclusive lock between processes, gone with its holder however that ends (flock).</summary>
internal sealed class FileLock : IDisposable
{
    private readonly SafeFileHandle _handle;

    private FileLock(SafeFileHandle handle) => _handle = handle;

    /// <summary>Takes the lock if it is free.</summary>
    public static FileLock? TryTake(string path)
    {
        // Not opened by .NET, which uses flock for its own ideas of sharing. The file stays where it is when the lock is
        // given back: removing it would let two processes lock two files of one name.
        SafeFileHandle handle = Native.OpenForLock(path);
        try
        {
            if (Native.TryLock(handle))
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
    public static async Task<FileLock> TakeAsync(string path, Action? onWait, CancellationToken cancellationToken)
    {
        while (true)
        {
            cancellationToken.ThrowIfCancellationRequested();
            if (TryTake(path) is { } taken)
                return taken;
            onWait?.Invoke();
            onWait = null;
            await Task.Delay(50, cancellationToken);
        }
    }

    public void Dispose() => _handle.Dispose();
}
