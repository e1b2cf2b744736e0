using System.Runtime.InteropServices;
using System.Text;
using Uml.CI.Wire;

namespace Uml.CI.Agent.Init;

/// <summary>Starts a command as the user, in the directory and with the environment the host asked for.</summary>
internal static unsafe class CommandLauncher
{
    private const string DefaultPath = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

    /// <summary>Whether this process ignores SIGPIPE, which a command must not inherit.</summary>
    public static bool RestoresBrokenPipes { get; set; }

    /// <summary>Starts it and returns its process number.</summary>
    /// <exception cref="SetupException">It could not be started; the errno says why.</exception>
    public static int Start(ExecMessage message, CommandDescriptors descriptors)
    {
        if (message.Arguments.Count == 0)
            throw new SetupException(Linux.EINVAL, "no command was given");

        UserIdentity user = UserIdentity.Find(message.User);
        List<string> environment = Complete(message.Environment, user, message.Terminal);
        if (message.WorkingDirectory.Length > 0 && !Linux.IsDirectory(message.WorkingDirectory))
        {
            // Without an errno: ENOENT would say that the command is missing.
            throw new SetupException(0, Linux.Exists(message.WorkingDirectory)
                ? $"the working directory {message.WorkingDirectory} is not a directory in the guest"
                : $"the working directory {message.WorkingDirectory} does not exist in the guest");
        }

        string program = FindProgram(message.Arguments[0], environment, message.WorkingDirectory);
        int error = Spawn(program, message.Arguments, environment, message.WorkingDirectory, user, descriptors, out int pid);
        // As execvp and every shell do: a script without "#!" is a shell script.
        if (error == Linux.ENOEXEC)
            error = Spawn("/bin/sh", ["/bin/sh", program, .. message.Arguments.Skip(1)], environment, message.WorkingDirectory, user, descriptors, out pid);
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
                // As shells do: a file that may not be executed is worth the word, a directory that may not be searched is not.
                if (found == Linux.EACCES && Linux.Exists(path))
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
        string program, IReadOnlyList<string> arguments, IReadOnlyList<string> environment, string directory, UserIdentity user, CommandDescriptors descriptors, out int pid)
    {
        byte** argv = Vector(arguments);
        byte** envp = Vector(environment);
        fixed (byte* path = Linux.Z(program), folder = Linux.Z(directory.Length == 0 ? "/" : directory), terminal = Linux.Z(descriptors.Terminal ?? ""))
        fixed (uint* groups = user.Groups)
        {
            var plan = new ChildPlan
            {
                Path = path,
                Arguments = argv,
                Environment = envp,
                Directory = folder,
                Terminal = descriptors.Terminal is null ? null : terminal,
                Stdin = descriptors.Theirs.Stdin,
                Stdout = descriptors.Theirs.Stdout,
                Stderr = descriptors.Theirs.Stderr,
                ChangeUser = user.IsRoot ? 0 : 1,
                Uid = user.Uid,
                Gid = user.Gid,
                Groups = groups,
                GroupCount = user.Groups.Length,
                RestoreBrokenPipes = RestoresBrokenPipes ? 1 : 0,
            };
            pid = ChildProcess.Start(&plan);
            int error = pid < 0 ? Linux.Errno : plan.Error;
            if (pid > 0 && error != 0)
            {
                // It has ended already; its zombie must not be taken for a command's end.
                Linux.waitpid(pid, null, 0);
            }

            Free(argv);
            Free(envp);
            return error;
        }
    }

    public static byte** Vector(IReadOnlyList<string> strings)
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

    public static void Free(byte** vector) => NativeMemory.Free(vector);
}
