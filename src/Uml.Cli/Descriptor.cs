using System.Text;

namespace Uml.CI.Cli;

/// <summary>The tool's own standard descriptors, and those that others hand over, unbuffered: Console decodes, buffers and sets up the terminal, and costs time to load.</summary>
internal sealed class Descriptor
{
    private volatile int _number;

    private Descriptor(int number)
    {
        _number = number;
        IsTerminal = Native.IsTerminal(number);
        IsOpen = Native.IsInherited(number);
    }

    private Descriptor(int number, bool isOpen)
    {
        _number = number;
        IsOpen = isOpen;
    }

    /// <summary>A descriptor that somebody else opened and closes.</summary>
    public static Descriptor Of(int number) => new(number, isOpen: true);

    public static readonly Descriptor Input = new(0);
    public static readonly Descriptor Output = new(1);
    public static readonly Descriptor Error = new(2);

    public bool IsTerminal { get; }

    /// <summary>Whether it was open when this program started. Else one of the runtime's own files has its number, and not even that is ours to use.</summary>
    public bool IsOpen { get; }

    /// <summary>Whether it is open on something that has content: not closed, not the null device.</summary>
    public bool HasContent
    {
        get
        {
            try
            {
                return IsOpen && new FileInfo($"/proc/self/fd/{_number}").LinkTarget is not (null or "/dev/null");
            }
            catch (IOException)
            {
                return false;
            }
        }
    }

    /// <summary>Whether what was written last ended a line, or nothing was written.</summary>
    public bool IsAtLineStart { get; private set; } = true;

    /// <summary>Sends what is written here where <paramref name="other"/> goes, so that there is one order in both.</summary>
    public void JoinTo(Descriptor other) => Native.Duplicate(other._number, _number);

    /// <summary>Keeps it to this process: what is started from now on inherits the null device in its place.</summary>
    public void Withdraw() => _number = Native.Withdraw(_number);

    /// <summary>Writes all of it; 0, or the number of the error that stopped it.</summary>
    public int Write(ReadOnlySpan<byte> bytes)
    {
        if (!IsOpen)
            return Native.EBADF;
        while (!bytes.IsEmpty)
        {
            int n = Native.Write(_number, bytes);
            switch (n)
            {
                case >= 0:
                    if (n > 0)
                        IsAtLineStart = bytes[n - 1] == (byte)'\n';
                    bytes = bytes[n..];
                    break;
                case -Native.EINTR:
                    break;
                case -Native.EAGAIN:
                    // Somebody else made the open file non-blocking; it is shared.
                    Native.Poll(_number, Native.PollOut, -1);
                    break;
                default:
                    return -n;
            }
        }

        return 0;
    }

    /// <summary>Writes a text. A closed output is no error here: nobody is there to be told.</summary>
    public void Write(string text) => Write(Encoding.UTF8.GetBytes(text));

    /// <summary>Writes a line.</summary>
    public void WriteLine(string text) => Write(text + "\n");

    /// <summary>Reads what there is; 0 at the end, or the negative number of an error.</summary>
    public int Read(Span<byte> buffer)
    {
        while (true)
        {
            int n = Native.Read(_number, buffer);
            if (n == -Native.EAGAIN)
                Native.Poll(_number, Native.PollIn, -1);
            else if (n != -Native.EINTR)
                return n;
        }
    }
}
