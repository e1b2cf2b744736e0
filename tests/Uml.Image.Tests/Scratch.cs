using System.Collections.Concurrent;

namespace Uml.CI;

/// <summary>A directory for one test, gone with it, in which an image store may be.</summary>
internal sealed class Scratch : IDisposable
{
    public Scratch()
    {
        Path = System.IO.Path.Combine(System.IO.Path.GetTempPath(), "uml image tests " + Guid.NewGuid().ToString("N"));
        Directory.CreateDirectory(Path);
    }

    public string Path { get; }

    public string this[string name] => System.IO.Path.Combine(Path, name);

    public ImageStore Store => new(this["store"]);

    /// <summary>What is in the store beside its images: nothing, once whoever used it is gone.</summary>
    public string[] Remains() => Directory.Exists(this["store/tmp"]) ? [.. Directory.GetFileSystemEntries(this["store/tmp"]).Where(f => System.IO.Path.GetFileName(f) != "gate")] : [];

    public void Dispose() => UnixFiles.DeleteTree(Path);
}

/// <summary>Keeps what was reported.</summary>
internal sealed class Reports : IProgress<KernelProgress>
{
    public ConcurrentQueue<KernelProgress> All { get; } = [];

    public void Report(KernelProgress value) => All.Enqueue(value);
}
