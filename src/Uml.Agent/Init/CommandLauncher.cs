using System.Runtime.InteropServices;
using System.Text;
using Uml.CI.Wire;

namespace Uml.CI.Agent.Init;

/// <summary>Starts a command as the user, in the directory and with the environment the host asked for.</summary>
internal static unsafe class CommandLauncher
{
    private const short SetSignalDefaults = 0x04, SetSignalMask = 0x08, SetSession = 0x80;
    private const string DefaultPath = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

    /// <summary>Starts it and returns its process number.</summary>
    /// <exception cref="SetupException">It could not be started; the errno says why.</exception>
    public static int Start(ExecMessage message, CommandDescriptors descriptors)
    {
        if (message.Arguments.Count == 0)
            throw new SetupException(Linux.EINVAL, "no command was given");

        UserIdentity user = UserIdentity.Find(message.User);
        List<string> environment = Complete(message.Environment, user, message.Terminal);
        if (message.WorkingDirectory.Length > 0 && !Linux.IsDirectory(message.WorkingDirectory))
            throw new SetupException(Linux.Exists(message.WorkingDirectory) ? Linux.ENOTDIR : Linux.ENOENT, $"working directory {message.WorkingDirectory}");

        string program = FindProgram(message.Arguments[0], environment, message.WorkingDirectory);
        int error = 0;
        if (!user.IsRoot && (error = Linux.Become(user.Uid, user.Gid, user.Groups)) != 0)
        {
            Linux.BecomeRoot();
            throw new SetupException(error, $"cannot become user {message.User}");
        }

        int pid;
        try
        {
            error = Spawn(program, message.Arguments, environment, message.WorkingDirectory, descriptors, out pid);
            // As execvp and every shell do: a script without "#!" is a shell script.
            if (error == Linux.ENOEXEC)
                error = Spawn("/bin/sh", ["/bin/sh", program, .. message.Arguments.Skip(1)], environment, message.WorkingDirectory, descriptors, out pid);
        }
        finally
        {
            if (!user.IsRoot)
                Linux.BecomeRoot();
        }

        if (error == Linux.ENOENT && Linux.Exists(program))
            throw new SetupException(Linux.EACCES, $"{program} names an interpreter that does not exist in the guest");
        if (error != 0)
            throw new SetupException(error, message.Arguments[0]);
        return pid;
    }

    private static List<string> Complete(IReadOnlyList<string> given, UserIdentity user, bool terminal)
    {
        var environment = new List<string>(given);
        void Default(string name, string value)
        {
            foreach (string entry in environment)
            {
                if (entry.StartsWith(name, StringComparison.Ordinal) && entry.Length > name.Length && entry[name.Length] == '=')
                    return;
            }

            environment.Add($"{name}={value}");
        }

        Default("PATH", DefaultPath);
        Default("HOME", user.Home);
        Default("USER", user.Name);
        Default("LOGNAME", user.Name);
        if (terminal)
            Default("TERM", "linux");
        return environment;
    }

    private static string FindProgram(string name, List<string> environment, string directory)
    {
        if (name.Length == 0)
            throw new SetupException(Linux.ENOENT, "the command's name is empty");
        if (name.Contains('/'))
        {
            string path = name[0] == '/' ? name : $"{(directory.Length == 0 ? "" : directory)}/{name}";
            return Check(path, name) is 0 ? path : throw new SetupException(Check(path, name), name);
        }

        int error = Linux.ENOENT;
        foreach (string entry in environment)
        {
            if (!entry.StartsWith("PATH=", StringComparison.Ordinal))
                continue;
            foreach (string element in entry[5..].Split(':'))
            {
                // An empty element is the working directory (POSIX).
                string folder = element.Length == 0 ? directory : element[0] == '/' ? element : $"{directory}/{element}";
                string path = $"{folder.TrimEnd('/')}/{name}";
                int found = Check(path, name);
                if (found == 0)
                    return path;
                if (found == Linux.EACCES)
                    error = found;
            }

            break;
        }

        throw new SetupException(error, name);
    }

    private static int Check(string path, string name)
    {
        int mode = Linux.Mode(path);
        if (mode < 0)
            return Linux.Errno == Linux.ENOTDIR ? Linux.ENOENT : Linux.Errno;
        return (mode & Linux.S_IFMT) == Linux.S_IFDIR || !Linux.IsExecutable(path) ? Linux.EACCES : 0;
    }

    private static int Spawn(
        string program, IReadOnlyList<string> arguments, IReadOnlyList<string> environment, string directory, CommandDescriptors descriptors, out int pid)
    {
        // Sizes of glibc's opaque types on x86-64, rounded up: posix_spawn_file_actions_t 80, posix_spawnattr_t 336, sigset_t 128.
        byte* actions = stackalloc byte[128];
        byte* attributes = stackalloc byte[512];
        byte* signals = stackalloc byte[128];
        Linux.posix_spawn_file_actions_init(actions);
        Linux.posix_spawnattr_init(attributes);
        Linux.posix_spawnattr_setflags(attributes, SetSignalDefaults | SetSignalMask | SetSession);
        Linux.sigfillset(signals);
        Linux.posix_spawnattr_setsigdefault(attributes, signals);
        Linux.sigemptyset(signals);
        Linux.posix_spawnattr_setsigmask(attributes, signals);

        byte** argv = Vector(arguments);
        byte** envp = Vector(environment);
        int child = 0;
        int error;
        fixed (byte* path = Linux.Z(program), folder = Linux.Z(directory.Length == 0 ? "/" : directory), terminal = Linux.Z(descriptors.Terminal ?? ""))
        {
            if (descriptors.Terminal is null)
            {
                Linux.posix_spawn_file_actions_adddup2(actions, descriptors.Theirs.Stdin, 0);
                Linux.posix_spawn_file_actions_adddup2(actions, descriptors.Theirs.Stdout, 1);
                Linux.posix_spawn_file_actions_adddup2(actions, descriptors.Theirs.Stderr, 2);
            }
            else
            {
                // A session leader that opens a terminal without O_NOCTTY gets it as its controlling one.
                Linux.posix_spawn_file_actions_addopen(actions, 0, terminal, Linux.O_RDWR, 0);
                Linux.posix_spawn_file_actions_adddup2(actions, 0, 1);
                Linux.posix_spawn_file_actions_adddup2(actions, 0, 2);
            }

            Linux.posix_spawn_file_actions_addchdir_np(actions, folder);
            error = Linux.posix_spawn(&child, path, actions, attributes, argv, envp);
        }

        pid = child;
        Linux.posix_spawn_file_actions_destroy(actions);
        Linux.posix_spawnattr_destroy(attributes);
        Free(argv);
        Free(envp);
        return error;
    }

    private static byte** Vector(IReadOnlyList<string> strings)
    {
        int size = (strings.Count + 1) * sizeof(byte*);
        foreach (string s in strings)
            size += Encoding.UTF8.GetByteCount(s) + 1;
        byte* memory = (byte*)NativeMemory.Alloc((nuint)size);
        byte** vector = (byte**)memory;
        byte* text = memory + ((strings.Count + 1) * sizeof(byte*));
        for (int i = 0; i < strings.Count; i++)
        {
            vector[i] = text;
            int n = Encoding.UTF8.GetBytes(strings[i], new Span<byte>(text, size));
            text[n] = 0;
            text += n + 1;
        }

        vector[strings.Count] = null;
        return vector;
    }

    private static void Free(byte** vector) => NativeMemory.Free(vector);
}
