using System.Collections.Concurrent;
using System.Diagnostics;
using Microsoft.Build.Framework;
using Task = System.Threading.Tasks.Task;

namespace Uml.CI.MSBuild;

/// <summary>What the tasks have in common: they can be cancelled, tell what goes on as it does, and fail with a code.</summary>
public abstract class GuestTask : Microsoft.Build.Utilities.Task, ICancelableTask, IDisposable
{
    // As many lines may wait for the logger; then who writes them waits.
    private const int WaitingLines = 10_000;

    private readonly CancellationTokenSource _cancellation = new();
    private readonly BlockingCollection<Line> _lines = new(WaitingLines);

    private protected GuestTask()
    {
    }

    private protected enum LineKind
    {
        Output,
        Error,
        Progress,
        Warning,
    }

    /// <summary>The project; relative paths start at its directory. Without it they start at the current one, which MSBuild sets.</summary>
    public string? ProjectFile { get; set; }

    /// <summary>The <c>uml.lock.json</c> that pins kernels. Default: the project directory's or, inside a git work tree, the nearest parent's.</summary>
    public string? LockFile { get; set; }

    private protected bool IsCancelled => _cancellation.IsCancellationRequested;

    private protected string ProjectDirectory => Path.GetDirectoryName(ProjectFile) is { Length: > 0 } directory ? directory : Environment.CurrentDirectory;

    /// <summary>Ends what the task is doing, its guest included. MSBuild calls this when the build is cancelled.</summary>
    public virtual void Cancel()
    {
        try
        {
            _cancellation.Cancel();
        }
        catch (ObjectDisposedException)
        {
            // The task has ended already.
        }
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        Dispose(disposing: true);
        GC.SuppressFinalize(this);
    }

    /// <summary>Gives back what the task holds.</summary>
    /// <param name="disposing">Always true: nothing here is finalized.</param>
    protected virtual void Dispose(bool disposing)
    {
        _cancellation.Dispose();
        _lines.Dispose();
    }

    /// <summary>Does <paramref name="work"/> on the thread pool, and tells the loggers its lines from this thread, which is MSBuild's.</summary>
    private protected T Run<T>(Func<CancellationToken, Task<T>> work)
    {
        using ParentWatch? parentWatch = TaskHost.WatchParent(Cancel);
        Task<T> running = Task.Run(async () =>
        {
            try
            {
                return await work(_cancellation.Token);
            }
            finally
            {
                _lines.CompleteAdding();
            }
        });
        foreach (Line line in _lines.GetConsumingEnumerable())
            Write(line);
        return running.GetAwaiter().GetResult();
    }

    /// <summary>Takes a line for the loggers, from any thread.</summary>
    private protected void Add(Line line)
    {
        try
        {
            _lines.Add(line);
        }
        catch (InvalidOperationException)
        {
            // The work has ended before its last lines were read, and the task with it.
        }
    }

    private protected virtual void Write(Line line)
    {
        if (line.Kind == LineKind.Warning)
            Log.LogWarning(subcategory: null, ErrorCode.KernelNotice, helpKeyword: ErrorCode.KernelNotice, ErrorCode.HelpLink(ErrorCode.KernelNotice), file: null, 0, 0, 0, 0, line.Text);
        else
            Log.LogMessage(MessageImportance.High, line.Text);
    }

    /// <summary>Logs an error. Without a file, MSBuild fills in where the task stands in the project.</summary>
    private protected void LogError(string code, string? file, string message) =>
        Log.LogError(subcategory: null, code, helpKeyword: code, ErrorCode.HelpLink(code), file, 0, 0, 0, 0, message);

    /// <summary>The kernel a name stands for, the default for none; paths start at the project's directory.</summary>
    private protected KernelReference ReadKernel(string? name)
    {
        if (string.IsNullOrEmpty(name))
            return new GuestOptions().Kernel;

        // What is a reference of another kind stays one, whatever lies in the directory.
        bool isReference = KernelReference.TryParse(name, out KernelReference? parsed) && parsed.Source != KernelSource.File;
        KernelReference reference = !isReference && File.Exists(Path.Combine(ProjectDirectory, name)) ? KernelReference.File(name) : KernelReference.Parse(name);
        return reference.From(ProjectDirectory);
    }

    /// <summary>The lock file that pins a kernel.</summary>
    private protected string? LockFileOf(KernelReference kernel) => string.IsNullOrEmpty(LockFile) || kernel.IsLocal
        ? KernelLock.FindFile(kernel, ProjectDirectory)
        : Path.GetFullPath(LockFile, ProjectDirectory);

    private protected readonly record struct Line(LineKind Kind, string Text);

    /// <summary>Tells of a kernel on its way: each stage as it begins, and now and then how far it is.</summary>
    private protected sealed class KernelNews(GuestTask task) : IProgress<KernelProgress>
    {
        private static readonly TimeSpan Interval = TimeSpan.FromSeconds(10);

        private readonly Lock _lock = new();
        private readonly Stopwatch _sinceLast = new();
        private string _stage = "";

        public void Report(KernelProgress value)
        {
            lock (_lock)
            {
                if (value.Stage == _stage && _sinceLast.Elapsed < Interval)
                    return;
                _stage = value.Stage;
                _sinceLast.Restart();
            }

            string amount = value is { BytesDone: { } done, BytesTotal: > 0 and { } total } ? $": {done * 100 / total} %" : "";
            task.Add(new Line(value.IsWarning ? LineKind.Warning : LineKind.Progress, $"Kernel: {value.Stage}{amount}"));
        }
    }
}
