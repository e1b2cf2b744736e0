using System.Runtime.CompilerServices;

namespace Uml.CI;

/// <summary>One number per mark of a line, and one for the line itself.</summary>
[InlineArray(KtapLine.MaxMarks + 1)]
internal struct KtapMarks
{
    private int _first;
}
