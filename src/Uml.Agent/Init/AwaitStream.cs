using System.Globalization;
using Uml.CI.Wire;

namespace Uml.CI.Agent.Init;

/// <summary>Waits for a path or a listening port, by looking again and again: a look costs less than a program that is started for it.</summary>
internal sealed class AwaitStream : GuestStream
{
    // What a test waits for has usually just been started: soon enough not to be felt, seldom enough not to slow it down.
    private const int Interval = 10;

    private readonly AwaitedKind _kind;
    private readonly string _name;
    private readonly ushort _port;

    /// <exception cref="SetupException">That cannot be waited for.</exception>
    public AwaitStream(uint number, int spool, AwaitMessage message)
        : base(number, spool)
    {
        _kind = message.Kind;
        _name = message.Name;
        if (_kind == AwaitedKind.File && !_name.StartsWith('/'))
            throw new SetupException(0, $"cannot wait for \"{_name}\": it is not an absolute path");
        if (_kind == AwaitedKind.TcpPort && (!ushort.TryParse(_name, NumberStyles.None, CultureInfo.InvariantCulture, out _port) || _port == 0))
            throw new SetupException(0, $"cannot wait for port \"{_name}\": a port is a number from 1 to 65535");
    }

    public override int LookAgain => Interval;

    public override bool Pump(Line line, RequestLoop loop)
    {
        if (_kind == AwaitedKind.File ? Linux.Exists(_name) : IsListening("/proc/net/tcp") || IsListening("/proc/net/tcp6"))
        {
            SendExit(line, 0, 0);
            return false;
        }

        if (!InputFinished)
            return true;
        // The host has lost interest.
        SendExit(line, 1, 0);
        return false;
    }

    // "  sl  local_address rem_address   st ...", then " 0: 0100007F:1F90 00000000:0000 0A ...": 0A is TCP_LISTEN (proc_net_tcp.rst).
    private bool IsListening(string table)
    {
        string end = string.Create(CultureInfo.InvariantCulture, $":{_port:X4}");
        foreach (ReadOnlySpan<char> line in (Linux.ReadText(table, limit: 4 * 1024 * 1024) ?? "").AsSpan().EnumerateLines())
        {
            int field = 0;
            bool port = false;
            foreach (Range range in line.Trim().Split(' '))
            {
                ReadOnlySpan<char> text = line.Trim()[range];
                if (text.IsEmpty)
                    continue;
                if (field == 1)
                    port = text.EndsWith(end, StringComparison.Ordinal);
                if (field == 3 && port && text is "0A")
                    return true;
                if (++field > 3)
                    break;
            }
        }

        return false;
    }
}
