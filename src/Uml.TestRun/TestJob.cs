using System.Collections.Immutable;
using System.Diagnostics;
using System.Security.Cryptography;
using System.Text;
using Xunit;
using Xunit.Runner.Common;
using Xunit.Sdk;

namespace Uml.CI;

/// <summary>One assembly in one guest.</summary>
internal sealed class TestJob : IDisposable
{
    private const int TailLines = 20;
    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(5);

    private readonly TestRunOptions _options;
    private readonly GuestOptions _guest;
    private readonly ITestRunListener _listener;
    private readonly SemaphoreSlim _limit;
    private readonly CancellationTokenSource _stop;
    private readonly RunRecorder _recorder;
    private readonly int _tests;
    private readonly Lock _tailLock = new();
    private readonly Queue<string> _tail = new();
    private readonly FileStream? _output;
    private string? _outputFailure;
    private GuestTestRun _run;

    public TestJob(TestRunOptions options, GuestTestRun run, GuestOptions guest, ImmutableArray<ITestCaseDiscovered> cases, ITestRunListener listener, SemaphoreSlim limit, CancellationTokenSource stop)
    {
        _options = options;
        _run = run;
        _guest = Reach(guest, run.Assembly);
        _listener = listener;
        _limit = limit;
        _stop = stop;
        _tests = cases.Length;
        _recorder = new RunRecorder(cases, result => listener.Ended(_run, result), error => listener.Failed(_run, error));
        if (options.ResultsDirectory is { } root)
        {
            bool unique = options.Assemblies.Count(a => a.Name == run.Assembly.Name) == 1;
            Directory = Path.Combine(root, unique ? run.Assembly.Name : $"{run.Assembly.Name}-{Hash(run.Assembly.Path)}", FileName(run.Kernel.Replace(':', '-')));
            System.IO.Directory.CreateDirectory(Directory);
            // Of the run before this one.
            if (System.IO.Directory.Exists(Attachments))
                System.IO.Directory.Delete(Attachments, recursive: true);
            _guest = _guest with { KernelLogFile = Path.Combine(Directory, "kernel.log") };
            // Unbuffered: what cannot be written is known then and there.
            _output = new FileStream(Path.Combine(Directory, "output.log"), FileMode.Create, FileAccess.Write, FileShare.ReadWrite, bufferSize: 0);
        }
    }

    private string? Directory { get; }

    private string Attachments => Path.Combine(Directory!, "attachments");

    public async Task<GuestTestRun> RunAsync()
    {
        GuestLease? lease = null;
        bool entered = false;
        try
        {
            // As many at once as were asked for, and as this host has room for.
            await _limit.WaitAsync(_stop.Token);
            entered = true;
            lease = await GuestLimit.Shared.AcquireAsync(_guest.Memory, _stop.Token);
            _run = _run with { Started = DateTimeOffset.UtcNow };
            _listener.Starting(_run, _tests);
            long start = Stopwatch.GetTimestamp();
            await RunGuestAsync();
            Keep();
            _run = _run with
            {
                Results = _recorder.Results,
                Errors = _recorder.Errors,
                Environment = _recorder.Environment,
                Framework = _recorder.Framework,
                Duration = Stopwatch.GetElapsedTime(start),
            };
            // xunit itself has stopped this one, in good order; the others go at once.
            if (_options.StopOnFail && !_run.Succeeded)
                await _stop.CancelAsync();
            _listener.Ended(_run);
            return _run;
        }
        catch (OperationCanceledException) when (lease is null)
        {
            return _run with { Stopped = true, Started = DateTimeOffset.UtcNow };
        }
        finally
        {
            lease?.Dispose();
            if (entered)
                _limit.Release();
        }
    }

    /// <inheritdoc/>
    public void Dispose() => _output?.Dispose();

    private async Task RunGuestAsync()
    {
        Guest? guest = null;
        GuestTestLauncher? launcher = null;
        try
        {
            guest = await new GuestBuilder(_guest).StartAsync(_stop.Token);
            _run = _run with { Release = guest.Release };
            launcher = new GuestTestLauncher(guest, _run.Assembly, _options.Timeout, _recorder, Wrote, _stop.Token);
            GuestExit exit = await RunTestsAsync(launcher);
            Judge(exit);
            await TakeDownAsync(guest, launcher);
            await JudgeEndAsync(guest);
            foreach (KernelComplaint complaint in guest.KernelLog.Complaints)
                Wrote($"the guest's kernel reported: {complaint.Title}");
        }
        catch (OperationCanceledException) when (_stop.IsCancellationRequested)
        {
            _run = _run with { Stopped = true };
        }
        catch (Exception e) when (e is GuestException or KernelException or ArgumentException or IOException or UnauthorizedAccessException)
        {
            await TakeDownAsync(guest, launcher);
            Lose(e);
        }
        finally
        {
            await TakeDownAsync(guest, launcher);
        }
    }

    private async Task<GuestExit> RunTestsAsync(GuestTestLauncher launcher)
    {
        XunitProjectAssembly project = _run.Assembly.ToXunit();
        // A test that ends its kernel is known by name only if the kernel waits until we have heard of it.
        project.Configuration.SynchronousMessageReporting = true;
        project.Configuration.StopOnFail = _options.StopOnFail ? true : null;
        var settings = new FrontControllerFindAndRunSettings(
            TestFrameworkOptions.ForDiscovery(project.Configuration), TestFrameworkOptions.ForExecution(project.Configuration), _options.Filter.ToXunit());
        await Task.Factory.StartNew(
            () =>
            {
                IFrontController controller = XunitFrontController.Create(project, null, null, launcher)
                    ?? throw new TestRunException($"xunit's runner does not know how to run {_run.Assembly.Path}");
                // xunit would make up an end for a program that was lost, after a minute, and knows less of why than we do.
                project.Project.Configuration.CrashDetectionSinkTimeout = 0;
                controller.FindAndRun(new ExecutionEventSink(), settings);
            },
            CancellationToken.None, TaskCreationOptions.LongRunning, TaskScheduler.Default);
        GuestExit exit = await launcher.Process!.Exited;
        await launcher.Process.Read;
        return exit;
    }

    // A guest that hangs, or was lost, ends its streams only when it is taken down; only then is all heard that it said.
    private static async Task TakeDownAsync(Guest? guest, GuestTestLauncher? launcher)
    {
        if (guest is not null)
            await guest.DisposeAsync();
        if (launcher?.Process is { } process)
            await Task.WhenAny(process.Read, Task.Delay(Patience));
    }

    private void Judge(GuestExit exit)
    {
        if (_recorder.Finished is not { } finished)
        {
            _recorder.Lose($"the test program ended with {exit} before its tests had", Tail());
            return;
        }

        if (exit.Signal is not null)
            _recorder.AddError($"the test program was {exit} after its last test");
        int heard = _recorder.Results.Length;
        if (heard != finished.TestsTotal)
            _recorder.AddError($"{finished.TestsTotal} tests ran and the results of {heard} arrived: something wrote into the test framework's standard output");
        else if (finished.TestsTotal == 0)
            _recorder.AddError($"none of the {_tests} tests that were found on the host was found in the guest");
        // Failed tests are a status of their own.
        if (!exit.Success && _recorder.Errors.IsEmpty && !_recorder.Results.Any(r => r.Outcome == TestOutcome.Failed))
            _recorder.AddError(WithDetail($"the test program ended with {exit} though no test failed", Tail()));
    }

    // The kernel may have panicked behind the program's back, or on its way out: that is no success.
    private async Task JudgeEndAsync(Guest guest)
    {
        const int Abort = 6;
        if (await guest.WaitForExitAsync() is not { Signal: Abort })
            return;
        _run = _run with { KernelLogFile = _guest.KernelLogFile };
        KernelPanic? panic = guest.KernelLog.Panic;
        _recorder.AddError(panic is null
            ? WithDetail("the guest's kernel aborted after the test program had ended", string.Join('\n', guest.KernelLog.Lines.TakeLast(TailLines).Select(l => l.Text)))
            : WithDetail($"the guest's kernel panicked after the test program had ended: {panic.Reason}", string.Join('\n', panic.Lines)));
    }

    private static string WithDetail(string cause, string detail) => detail.Length == 0 ? cause : $"{cause}\n{detail}";

    private void Lose(Exception exception)
    {
        var lost = exception as GuestException;
        _run = _run with { KernelLogFile = lost?.KernelLogFile };
        string cause = exception is GuestTimeoutException ? $"the tests did not end within {_options.Timeout!.Value.TotalSeconds:0.###} s"
            : lost is { Summary.Length: > 0 } ? lost.Summary : exception.Message;
        string detail = exception switch
        {
            KernelPanicException { Panic: { } panic } => string.Join('\n', panic.Lines),
            GuestTimeoutException timeout => timeout.GuestState.TrimEnd(),
            GuestBootException or GuestConnectionException => string.Join('\n', lost!.KernelLogTail.TrimEnd().Split('\n').TakeLast(TailLines)),
            _ => "",
        };
        _recorder.Lose(char.ToLowerInvariant(cause[0]) + cause[1..].TrimEnd('.'), detail);
    }

    private void Wrote(string line)
    {
        lock (_tailLock)
        {
            try
            {
                if (_outputFailure is null)
                    _output?.Write(Encoding.UTF8.GetBytes(line + "\n"));
            }
            catch (IOException e)
            {
                _outputFailure = e.Message;
            }

            _tail.Enqueue(line);
            if (_tail.Count > TailLines)
                _tail.Dequeue();
        }

        _listener.Wrote(_run, line);
    }

    private string Tail()
    {
        lock (_tailLock)
            return string.Join('\n', _tail);
    }

    // What cannot be kept is a failure; what came of the tests is not lost with it.
    private void Keep()
    {
        if (_outputFailure is { } failure)
            _recorder.AddError($"the output of the test program cannot be kept: {failure}");
        if (Directory is null)
            return;
        try
        {
            foreach (TestResult result in _recorder.Results.Where(r => r.Attachments.Count > 0))
                Keep(result, System.IO.Directory.CreateDirectory(Path.Combine(Attachments, FileName(result.Name))).FullName);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            _recorder.AddError($"attachments cannot be kept: {e.Message}");
        }
    }

    private static void Keep(TestResult result, string directory)
    {
        foreach ((string name, TestAttachment attachment) in result.Attachments)
            File.WriteAllBytes(Path.Combine(directory, FileName(name)), attachment.AttachmentType == TestAttachmentType.ByteArray ? attachment.AsByteArray().ByteArray : Encoding.UTF8.GetBytes(attachment.AsString()));
    }

    // The guest has its own of these directories.
    private static GuestOptions Reach(GuestOptions guest, TestAssembly assembly)
    {
        string directory = Path.GetDirectoryName(assembly.Path)!;
        return ((string[])["/dev/", "/run/"]).Any(d => assembly.Path.StartsWith(d, StringComparison.Ordinal))
            ? guest with { Mounts = guest.Mounts.Add(new GuestMount(directory, directory, MountMode.CopyOnWrite)) }
            : guest;
    }

    // Names hold arguments of theories, which may hold anything.
    private static string FileName(string name)
    {
        const int longest = 120;
        string safe = string.Concat(name.Select(c => char.IsAsciiLetterOrDigit(c) || c is '.' or '-' or '_' or '(' or ')' ? c : '_')).Trim('.');
        return safe.Length is > 0 and <= longest && safe == name ? safe : $"{safe[..Math.Min(safe.Length, longest)]}-{Hash(name)}";
    }

    private static string Hash(string text) => Convert.ToHexStringLower(SHA256.HashData(Encoding.UTF8.GetBytes(text)))[..8];
}
