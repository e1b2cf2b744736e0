using System.Globalization;
using System.Xml;
using System.Xml.Linq;

namespace Uml.CI;

/// <summary>What readers of XML share. Nothing is fetched or expanded, and nothing is too deep.</summary>
internal static class XmlInput
{
    private const int MostDepth = 64;
    private const long MostCharacters = 1L << 30;

    public static XmlReader Open(Stream stream) => XmlReader.Create(stream, new XmlReaderSettings
    {
        DtdProcessing = DtdProcessing.Ignore,
        XmlResolver = null,
        MaxCharactersInDocument = MostCharacters,
        IgnoreComments = true,
        IgnoreProcessingInstructions = true,
        CloseInput = false,
        // Tests print what XML may not hold, and not every tool cleans it.
        CheckCharacters = false,
    });

    /// <summary>An element with all that is in it; the reader is behind it then.</summary>
    public static XElement ReadElement(XmlReader xml)
    {
        if (xml.Depth > MostDepth)
            throw TooDeep();
        XElement root = new(xml.LocalName);
        int depth = xml.Depth;
        XElement at = root;
        Attributes(xml, root);
        if (xml.IsEmptyElement)
        {
            xml.Read();
            return root;
        }

        while (xml.Read() && xml.Depth > depth)
        {
            switch (xml.NodeType)
            {
                case XmlNodeType.Element:
                    if (xml.Depth - depth > MostDepth)
                        throw TooDeep();
                    XElement child = new(xml.LocalName);
                    at.Add(child);
                    bool empty = xml.IsEmptyElement;
                    Attributes(xml, child);
                    if (!empty)
                        at = child;
                    break;
                case XmlNodeType.EndElement:
                    at = at.Parent ?? root;
                    break;
                case XmlNodeType.Text or XmlNodeType.CDATA or XmlNodeType.SignificantWhitespace:
                    at.Add(new XText(xml.Value));
                    break;
            }
        }

        xml.Read();
        return root;
    }

    public static XmlException TooDeep() => new($"more than {MostDepth} elements within each other");

    public static bool IsTooDeep(XmlReader xml) => xml.Depth > MostDepth;

    public static string Attribute(XElement element, string name) => (string?)element.Attribute(name) ?? "";

    /// <summary>A time in seconds, as tools write it.</summary>
    public static TimeSpan Seconds(string? text) =>
        double.TryParse(text, NumberStyles.Float | NumberStyles.AllowThousands, CultureInfo.InvariantCulture, out double seconds) ? Time(seconds) : TimeSpan.Zero;

    /// <summary>A time of some seconds; nothing where that makes no sense.</summary>
    public static TimeSpan Time(double seconds) => seconds is > 0 and < 1e9 ? TimeSpan.FromSeconds(seconds) : TimeSpan.Zero;

    public static DateTimeOffset? Moment(string? text) =>
        DateTimeOffset.TryParse(text, CultureInfo.InvariantCulture, DateTimeStyles.AssumeUniversal, out DateTimeOffset time) ? time : null;

    public static int? Number(string? text) => int.TryParse(text, NumberStyles.Integer, CultureInfo.InvariantCulture, out int number) ? number : null;

    // Names without their namespaces: tools disagree about them.
    private static void Attributes(XmlReader xml, XElement element)
    {
        while (xml.MoveToNextAttribute())
        {
            if (xml.Prefix != "xmlns" && xml.LocalName != "xmlns")
                element.SetAttributeValue(xml.LocalName, xml.Value);
        }

        xml.MoveToElement();
    }
}
