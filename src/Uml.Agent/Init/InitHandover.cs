using System.Globalization;
using System.Runtime.InteropServices;

namespace Uml.CI.Agent.Init;

/// <summary>Hands PID 1 over to the init of the guest's own system. The agent goes on beside it, as a new process on the same line.</summary>
internal static unsafe class InitHandover
{
    public const string Verb = "serve";

    // systemd's shutdown leaves processes alone whose name begins so (systemd's ROOT_STORAGE_DAEMONS); without it the host would
    // not see how a shutdown ends.
    private const string Name = "@uml-agent";

    // sysvinit's killall5 reads from here which processes to leave alone.
    private const string Omitted = "/run/sendsigs.omit.d";

    /// <summary>The first of the candidates that can be executed in the guest's root.</summary>
    /// <exception cref="SetupException">None can.</exception>
    public static string Find(IReadOnlyList<string> candidates)
    {
        foreach (string path in candidates)
        {
            if (!Linux.IsDirectory(path) && Linux.IsExecutable(path))
                return path;
        }

        throw new SetupException(0, $"the guest's root has no init: {string.Join(", ", candidates)} {(candidates.Count == 1 ? "is" : "are")} missing or cannot be executed");
    }

    /// <summary>Starts the process that goes on with the line, and returns its number.</summary>
    /// <param name="position">Where the line will stand then.</param>
    /// <param name="spool">Descriptor of the spool directory.</param>
    /// <exception cref="SetupException">It could not be started.</exception>
    public static int StartServer(LinePosition position, int spool)
    {
        // The descriptors stay what they are: they survive this one exec, and PID 1 closes its own afterwards.
        SetCloseOnExec(position.Descriptor, false);
        SetCloseOnExec(spool, false);
        string[] arguments = [Name, Verb, Text(position.Descriptor), Text(position.Sent), Text(position.Acknowledged), Text(position.Expected), Text(position.BytesTaken), Text(spool)];
        byte** argv = CommandLauncher.Vector(arguments);
        byte** envp = CommandLauncher.Vector([]);
        int pid;
        fixed (byte* path = Linux.Z("/proc/self/exe"), root = Linux.Z("/"))
        {
            var plan = new ChildPlan { Path = path, Arguments = argv, Environment = envp, Directory = root, Stdin = 0, Stdout = 1, Stderr = 2 };
            pid = ChildProcess.Start(&plan);
            int error = pid < 0 ? Linux.Errno : plan.Error;
            CommandLauncher.Free(argv);
            CommandLauncher.Free(envp);
            if (error != 0)
                throw new SetupException(error, "cannot start the agent beside the guest's init");
            if (Linux.MakeDirectories(Omitted) == 0)
                Linux.WriteText($"{Omitted}/uml-agent", Text(pid));
        }

        // Whoever opened it would take bytes off the line.
        Linux.UnlinkAt(0, Uml.CI.Wire.Protocol.GuestDevice);
        return pid;
    }

    /// <summary>Becomes the guest's init. Returns only if that fails.</summary>
    public static int Become(string init, LinePosition position, int spool)
    {
        Linux.close(position.Descriptor);
        Linux.close(spool);
        Linux.DoNotYield();
        // What the kernel gives the init it starts itself (init/main.c, envp_init).
        byte** argv = CommandLauncher.Vector([init]);
        byte** envp = CommandLauncher.Vector(["HOME=/", "TERM=linux"]);
        fixed (byte* path = Linux.Z(init))
            Linux.execve(path, argv, envp);
        return Linux.Errno;
    }

    /// <summary>What <see cref="StartServer"/> handed over.</summary>
    public static (LinePosition Position, int Spool) Parse(ReadOnlySpan<string> arguments) =>
        (new LinePosition(int.Parse(arguments[0], CultureInfo.InvariantCulture), Number(arguments[1]), Number(arguments[2]), Number(arguments[3]), Number(arguments[4])),
            int.Parse(arguments[5], CultureInfo.InvariantCulture));

    public static void SetCloseOnExec(int descriptor, bool on)
    {
        const int F_SETFD = 2, FD_CLOEXEC = 1;
        if (descriptor >= 0)
            Linux.fcntl(descriptor, F_SETFD, on ? FD_CLOEXEC : 0);
    }

    private static uint Number(string text) => uint.Parse(text, CultureInfo.InvariantCulture);

    private static string Text(long number) => number.ToString(CultureInfo.InvariantCulture);
}
