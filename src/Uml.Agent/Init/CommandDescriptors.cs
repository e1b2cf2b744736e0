using Uml.CI.Wire;

namespace Uml.CI.Agent.Init;

/// <summary>The descriptors of a command: its ends and ours.</summary>
internal sealed unsafe class CommandDescriptors
{
    private const nuint TIOCSPTLCK = 0x40045431, TIOCGPTN = 0x80045430, TIOCSWINSZ = 0x5414;
    private const int F_SETFL = 4;
    private static int s_null = -1;
    private readonly List<int> _theirs = [];

    /// <summary>Path of the pseudo-terminal the command opens, or null.</summary>
    public string? Terminal { get; private init; }

    /// <summary>The command's standard input, output and error; unused with a terminal.</summary>
    public (int Stdin, int Stdout, int Stderr) Theirs { get; private init; }

    /// <summary>What the agent writes to, reads from and reads errors from; -1 for none.</summary>
    public (int Stdin, int Stdout, int Stderr) Ours { get; private init; }

    public static CommandDescriptors Create(ExecMessage message)
    {
        if (message.Terminal)
            return CreateTerminal(message);

        if (s_null < 0)
            s_null = Linux.Open("/dev/null", Linux.O_RDONLY);
        (int Read, int Write) input = message.Stdin ? Pipe() : (s_null, -1);
        (int Read, int Write) output = Pipe();
        (int Read, int Write) error = Pipe();
        // Our end only: the flag belongs to the open file, and commands expect theirs to block. Output is read when poll says so.
        if (input.Write >= 0)
            SetNonBlocking(input.Write);

        var descriptors = new CommandDescriptors
        {
            Theirs = (input.Read, output.Write, error.Write),
            Ours = (input.Write, output.Read, error.Read),
        };
        descriptors._theirs.AddRange(message.Stdin ? [input.Read, output.Write, error.Write] : [output.Write, error.Write]);
        return descriptors;
    }

    public static void SetNonBlocking(int descriptor) => Linux.fcntl(descriptor, F_SETFL, Linux.O_NONBLOCK);

    public static void SetSize(int terminal, uint columns, uint rows)
    {
        // struct winsize: rows, columns, and two pixel sizes nobody uses.
        ushort* size = stackalloc ushort[4];
        size[0] = (ushort)rows;
        size[1] = (ushort)columns;
        size[2] = size[3] = 0;
        Linux.ioctl(terminal, TIOCSWINSZ, size);
    }

    public void CloseTheirs()
    {
        foreach (int fd in _theirs)
            Linux.close(fd);
        _theirs.Clear();
    }

    public void CloseOurs()
    {
        foreach (int fd in (ReadOnlySpan<int>)[Ours.Stdin, Ours.Stdout == Ours.Stdin ? -1 : Ours.Stdout, Ours.Stderr])
        {
            if (fd >= 0)
                Linux.close(fd);
        }
    }

    private static CommandDescriptors CreateTerminal(ExecMessage message)
    {
        int master = Linux.Open("/dev/ptmx", Linux.O_RDWR | Linux.O_NOCTTY | Linux.O_NONBLOCK);
        if (master < 0)
            throw new SetupException(Linux.Errno, "cannot open a pseudo-terminal");
        int unlock = 0;
        int number = 0;
        Linux.ioctl(master, TIOCSPTLCK, &unlock);
        if (Linux.ioctl(master, TIOCGPTN, &number) != 0)
            throw new SetupException(Linux.Errno, "cannot open a pseudo-terminal");
        SetSize(master, message.Columns, message.Rows);
        return new CommandDescriptors { Terminal = $"/dev/pts/{number}", Ours = (master, master, -1) };
    }

    private static (int Read, int Write) Pipe()
    {
        int* fds = stackalloc int[2];
        if (Linux.pipe2(fds, Linux.O_CLOEXEC) != 0)
            throw new SetupException(Linux.Errno, "cannot make a pipe");
        return (fds[0], fds[1]);
    }
}
