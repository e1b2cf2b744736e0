using System.Buffers;
using System.Globalization;
using System.Text;
using Microsoft.Build.Framework;
using Microsoft.Build.Utilities;
using Task = System.Threading.Tasks.Task;

namespace Uml.CI.MSBuild;

/// <summary>
/// Boots a guest, runs one command in it and ends it. The command's lines become messages of the build, or errors and warnings
/// where they have MSBuild's format; a status other than 0 fails the build.
/// </summary>
/// <remarks>
/// Relative paths in <see cref="Artifacts"/>, <see cref="Mounts"/> and <see cref="KernelLog"/> are MSBuild's to complete: they start
/// at the project's directory. Those in <see cref="Kernel"/>, <see cref="Root"/> and <see cref="GuestTask.LockFile"/> start at the
/// directory of <see cref="GuestTask.ProjectFile"/>; without it at the current one, which MSBuild sets to the project's for a task
/// that does not declare itself multi-threadable; under -mt such a task gets a process of its own. Declaring it would need the
/// project's directory without ProjectFile, and for that an interface which the MSBuild of the first .NET 10 SDKs does not have.
/// </remarks>
public sealed class RunInGuest : GuestTask
{
    private static readonly SearchValues<char> ItemCharacters = SearchValues.Create("%*?@$();'\\");

    private readonly List<ITaskItem> _console = [];

    /// <summary>The kernel: <c>debian:sid</c>, <c>file:PATH</c> or a path. Default: the variable UML_KERNEL, else <c>debian:sid</c>.</summary>
    public string? Kernel { get; set; }

    /// <summary>The root file system: <c>host</c> (the default), <c>empty</c>, or a directory.</summary>
    public string? Root { get; set; }

    /// <summary>The guest's memory: <c>512M</c>.</summary>
    public string? Memory { get; set; }

    /// <summary>The guest's CPUs. More than 1 needs a kernel with SMP.</summary>
    public int Cpus { get; set; } = 1;

    /// <summary>Files and directories to copy in; the metadatum <c>GuestPath</c> says where to.</summary>
    public ITaskItem[] Artifacts { get; set; } = [];

    /// <summary>Files and directories to share; <c>GuestPath</c> says where, <c>Mode</c> is <c>ro</c> (the default), <c>rw</c> or <c>cow</c>.</summary>
    public ITaskItem[] Mounts { get; set; } = [];

    /// <summary>The command, for the guest's <c>sh -c</c>. Give this or <see cref="Arguments"/>.</summary>
    public string? Command { get; set; }

    /// <summary>The command as program and arguments, without a shell.</summary>
    public string[] Arguments { get; set; } = [];

    /// <summary>Variables of the command, as NAME=VALUE.</summary>
    public string[] EnvironmentVariables { get; set; } = [];

    /// <summary>The command's working directory in the guest. Default: the project's directory if the root is the host's, else <c>/</c>.</summary>
    public string? WorkingDirectory { get; set; }

    /// <summary>How long the command may take; 0 for no limit.</summary>
    public int TimeoutSeconds { get; set; }

    /// <summary>How long the guest may take to boot.</summary>
    public int BootTimeoutSeconds { get; set; } = 30;

    /// <summary>A file that gets the kernel log.</summary>
    public ITaskItem? KernelLog { get; set; }

    /// <summary>Whether a command's status other than 0 is left to the caller, who finds it in <see cref="ExitCode"/>.</summary>
    public bool IgnoreExitCode { get; set; }

    /// <summary>Whether lines in MSBuild's error and warning format are messages like any other.</summary>
    public bool IgnoreStandardErrorWarningFormat { get; set; }

    /// <summary>Whether every line on standard error is an error.</summary>
    public bool LogStandardErrorAsError { get; set; }

    /// <summary>
    /// The command's status; 128 + n if signal n ended it, 127 not found, 126 not executable, 125 no guest, 124 the deadline
    /// passed, 123 the guest was lost.
    /// </summary>
    [Output]
    public int ExitCode { get; set; }

    /// <summary>The lines the command wrote, standard error's included.</summary>
    [Output]
    public ITaskItem[] ConsoleOutput => [.. _console];

    /// <summary>The file that errors are about; null for where the task stands.</summary>
    internal string? ErrorFile { get; init; }

    /// <summary>The command's name in errors; null for the command itself.</summary>
    internal string? Title { get; init; }

    /// <inheritdoc/>
    public override bool Execute()
    {
        try
        {
            (GuestBuilder builder, ExecOptions command) = Describe();
            Report(Run(cancellation => RunAsync(builder, command, cancellation)), command);
        }
        catch (OperationCanceledException) when (IsCancelled)
        {
            Log.LogMessage(MessageImportance.High, "The build was cancelled; the guest has ended.");
            return false;
        }
        catch (GuestException e)
        {
            Report(e);
        }
        catch (KernelException e)
        {
            Fail(ErrorCode.KernelUnavailable, 125, e.Message);
        }
        catch (Exception e) when (e is ParameterException or ArgumentException or FormatException)
        {
            Fail(ErrorCode.BadParameter, 125, e.Message);
        }

        return !Log.HasLoggedErrors;
    }

    private protected override void Write(Line line)
    {
        if (line.Kind is LineKind.Progress or LineKind.Warning)
        {
            base.Write(line);
            return;
        }

        _console.Add(new TaskItem(Escape(line.Text)));
        if (line.Kind == LineKind.Error && LogStandardErrorAsError)
            Log.LogError(line.Text);
        else if (IgnoreStandardErrorWarningFormat)
            Log.LogMessage(MessageImportance.High, line.Text);
        else
            Log.LogMessageFromText(line.Text, MessageImportance.High);
    }

    private async Task<GuestExit> RunAsync(GuestBuilder builder, ExecOptions command, CancellationToken cancellationToken)
    {
        // Tests and other builds of this machine want guests too.
        using GuestLease lease = await GuestLimit.Shared.AcquireAsync(builder.Options.Memory, cancellationToken);
        await using Guest guest = await builder.StartAsync(cancellationToken);
        GuestProcess process = await guest.StartProcessAsync(command, cancellationToken);
        Task reading = Task.WhenAll(ReadAsync(process.StandardOutput, LineKind.Output), ReadAsync(process.StandardError, LineKind.Error));
        // What ends the streams early ends the command too, and is told by the wait for that.
        _ = reading.ContinueWith(t => t.Exception, TaskScheduler.Default);
        GuestExit exit = await process.WaitAsync(cancellationToken);
        await reading;
        return exit;
    }

    private async Task ReadAsync(Stream stream, LineKind kind)
    {
        using var reader = new StreamReader(stream, new UTF8Encoding(encoderShouldEmitUTF8Identifier: false), detectEncodingFromByteOrderMarks: false);
        while (await reader.ReadLineAsync() is { } line)
            Add(new Line(kind, line));
    }

    private void Report(GuestExit exit, ExecOptions command)
    {
        ExitCode = exit.ExitCode;
        string text = $"The command {Title ?? $"\"{Command ?? string.Join(' ', command.Arguments)}\""} {(exit.Signal is null ? $"exited with code {exit.ExitCode}" : $"was {exit}")}.";
        if (exit.Success || IgnoreExitCode)
            Log.LogMessage(MessageImportance.Low, text);
        else
            Fail(ErrorCode.CommandFailed, exit.ExitCode, text);
    }

    private void Report(GuestException e)
    {
        // An error is one line; what leads to it stands above.
        if (e is GuestTimeoutException { GuestState.Length: > 0 } timeout)
            Log.LogMessage(MessageImportance.High, $"State of the guest:\n{timeout.GuestState.TrimEnd()}");
        if (e.KernelLogTail.Length > 0)
            Log.LogMessage(MessageImportance.High, $"End of the guest's kernel log:\n{e.KernelLogTail.TrimEnd()}");

        string text = e.KernelLogFile is { } file ? $"{e.Summary.TrimEnd('.')}. Whole kernel log: {file}" : e.Summary;
        (string code, int exitCode) = e switch
        {
            GuestUnavailableException => (ErrorCode.GuestUnavailable, 125),
            KernelPanicException or GuestConnectionException => (ErrorCode.GuestLost, 123),
            GuestTimeoutException => (ErrorCode.TimedOut, 124),
            ExecException exec => (ErrorCode.CommandNotStarted, exec.ExitCode),
            _ => (ErrorCode.BootFailed, 125),
        };
        Fail(code, exitCode, text);
    }

    private void Fail(string code, int exitCode, string message)
    {
        ExitCode = exitCode;
        LogError(code, ErrorFile, message);
    }

    private (GuestBuilder Guest, ExecOptions Command) Describe()
    {
        if (string.IsNullOrWhiteSpace(Command) == (Arguments.Length == 0))
            throw new ParameterException("RunInGuest needs a command: give either Command, for a shell, or Arguments, for a program and its arguments");
        GuestRoot root = GuestRoot.Parse(string.IsNullOrEmpty(Root) ? "host" : Root, ProjectDirectory);
        var options = new GuestOptions();
        KernelReference kernel = ReadKernel(Kernel);
        options = options with
        {
            Kernel = kernel,
            KernelResolution = new KernelResolveOptions { Progress = new KernelNews(this), LockFile = LockFileOf(kernel), SettingsDirectory = ProjectDirectory },
            Root = root,
            Cpus = Cpus,
            Artifacts = [.. Artifacts.Select(a => new GuestArtifact(a.GetMetadata("FullPath"), GuestPath(a, nameof(Artifacts))))],
            Mounts = [.. Mounts.Select(m => new GuestMount(m.GetMetadata("FullPath"), GuestPath(m, nameof(Mounts)), Mode(m)))],
            WorkingDirectory = (WorkingDirectory, root == GuestRoot.Host) switch
            {
                ({ Length: > 0 }, _) => WorkingDirectory,
                (_, true) => ProjectDirectory,
                _ => null,
            },
            BootTimeout = Seconds(BootTimeoutSeconds, nameof(BootTimeoutSeconds))
                ?? throw new ParameterException("BootTimeoutSeconds must be greater than 0"),
            KernelLogFile = KernelLog?.GetMetadata("FullPath"),
        };
        if (!string.IsNullOrEmpty(Memory))
            options = options with { Memory = ByteSize.Parse(Memory) };

        var command = new ExecOptions(Arguments.Length > 0 ? Arguments : ["sh", "-c", Command!])
        {
            Timeout = Seconds(TimeoutSeconds, nameof(TimeoutSeconds)),
        };
        foreach (string variable in EnvironmentVariables)
        {
            int equals = variable.IndexOf('=', StringComparison.Ordinal);
            if (equals < 1)
                throw new ParameterException($"\"{variable}\" in EnvironmentVariables is not NAME=VALUE");
            command = command with { Environment = command.Environment.SetItem(variable[..equals], variable[(equals + 1)..]) };
        }

        if (KernelLog is not null)
            Directory.CreateDirectory(Path.GetDirectoryName(options.KernelLogFile)!);
        return (new GuestBuilder(options), command);
    }

    private static string GuestPath(ITaskItem item, string parameter) => item.GetMetadata("GuestPath") is { Length: > 0 } path
        ? path
        : throw new ParameterException($"\"{item.ItemSpec}\" in {parameter} has no metadatum GuestPath: it says where in the guest the item goes");

    private static MountMode Mode(ITaskItem item) => item.GetMetadata("Mode") switch
    {
        "" or "ro" => MountMode.ReadOnly,
        "rw" => MountMode.ReadWrite,
        "cow" => MountMode.CopyOnWrite,
        string mode => throw new ParameterException($"\"{mode}\" is not a mode of \"{item.ItemSpec}\" in Mounts: write ro, rw or cow"),
    };

    private static TimeSpan? Seconds(int value, string parameter) => value switch
    {
        < 0 => throw new ParameterException($"{parameter} is {value}: write a number of seconds"),
        0 => null,
        _ => TimeSpan.FromSeconds(value),
    };

    // An item's name is escaped; a backslash too, or MSBuild takes it for a Windows path and turns it around.
    private static string Escape(string text)
    {
        if (!text.AsSpan().ContainsAny(ItemCharacters))
            return text;
        var escaped = new StringBuilder();
        foreach (char c in text)
        {
            if (ItemCharacters.Contains(c))
                escaped.Append('%').Append(((int)c).ToString("x2", CultureInfo.InvariantCulture));
            else
                escaped.Append(c);
        }

        return escaped.ToString();
    }

    private sealed class ParameterException(string message) : Exception(message);
}
