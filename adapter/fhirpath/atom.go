package fhirpath

// atom is one unit symbol of UCUM: factor times of, plus offset kelvin for the
// temperatures. An atom that is of nothing is a dimension of its own: the seven base
// units, every arbitrary unit (procedure defined, such as [iU]) and every logarithmic
// one, for which no rational factor exists.
type atom struct {
	factor string // a decimal or a quotient of two, exact
	of     string
	metric bool   // takes a prefix
	offset string // of a temperature scale, in kelvin; "" for all others
}

// prefixes are the factors of the metric prefixes and of those for powers of two.
// Source: https://ucum.org/ucum, sections 27 and 28, tables 1 and 5.
var prefixes = map[string]string{
	"Q": "1e30", "R": "1e27", "Y": "1e24", "Z": "1e21", "E": "1e18", "P": "1e15", "T": "1e12", "G": "1e9", "M": "1e6",
	"k": "1e3", "h": "1e2", "da": "1e1", "d": "1e-1", "c": "1e-2", "m": "1e-3", "u": "1e-6", "n": "1e-9", "p": "1e-12",
	"f": "1e-15", "a": "1e-18", "z": "1e-21", "y": "1e-24", "r": "1e-27", "q": "1e-30",
	"Ki": "1024", "Mi": "1048576", "Gi": "1073741824", "Ti": "1099511627776",
}

// atoms are the units that medicine writes, by their case-sensitive symbols. What is
// left out is what no health record holds: the US survey lengths and areas, the old
// imperial lengths, printer's points, the homeopathic series and the constants of physics.
// Source: https://ucum.org/ucum, tables 2 to 4 and 6 to 26.
var atoms = map[string]atom{
	// base units
	"m": {metric: true}, "g": {metric: true}, "s": {metric: true}, "rad": {metric: true},
	"K": {metric: true}, "C": {metric: true}, "cd": {metric: true},

	// numbers
	"10*": {factor: "10", of: "1"}, "10^": {factor: "10", of: "1"},
	"[pi]": {factor: "3.1415926535897932384626433832795028841971693993751058209749445923", of: "1"},
	"%":    {factor: "1e-2", of: "1"}, "[ppth]": {factor: "1e-3", of: "1"}, "[ppm]": {factor: "1e-6", of: "1"},
	"[ppb]": {factor: "1e-9", of: "1"}, "[pptr]": {factor: "1e-12", of: "1"},
	"[HPF]": {factor: "1", of: "1"}, "[LPF]": {factor: "100", of: "1"},

	// SI
	"mol": {"6.02214076e23", "1", true, ""}, "sr": {"1", "rad2", true, ""}, "Hz": {"1", "s-1", true, ""},
	"N": {"1", "kg.m/s2", true, ""}, "Pa": {"1", "N/m2", true, ""}, "J": {"1", "N.m", true, ""}, "W": {"1", "J/s", true, ""},
	"A": {"1", "C/s", true, ""}, "V": {"1", "J/C", true, ""}, "F": {"1", "C/V", true, ""}, "Ohm": {"1", "V/A", true, ""},
	"S": {"1", "Ohm-1", true, ""}, "Wb": {"1", "V.s", true, ""}, "T": {"1", "Wb/m2", true, ""}, "H": {"1", "Wb/A", true, ""},
	"lm": {"1", "cd.sr", true, ""}, "lx": {"1", "lm/m2", true, ""}, "Bq": {"1", "s-1", true, ""}, "Gy": {"1", "J/kg", true, ""},
	"Sv": {"1", "J/kg", true, ""}, "kat": {"1", "mol/s", true, ""},

	// temperatures: kelvin is factor times value plus offset
	"Cel":    {"1", "K", true, "273.15"},
	"[degF]": {"5/9", "K", false, "45967/180"}, "[degRe]": {"5/4", "K", false, "273.15"}, "[degR]": {"5/9", "K", false, ""},

	// angles
	"deg": {"2", "[pi].rad/360", false, ""}, "gon": {"0.9", "deg", false, ""}, "'": {"1", "deg/60", false, ""}, "''": {"1", "'/60", false, ""},
	"circ": {"2", "[pi].rad", false, ""}, "sph": {"4", "[pi].sr", false, ""},

	// time
	"min": {"60", "s", false, ""}, "h": {"60", "min", false, ""}, "d": {"24", "h", false, ""}, "wk": {"7", "d", false, ""},
	"a_t": {"365.24219", "d", false, ""}, "a_j": {"365.25", "d", false, ""}, "a_g": {"365.2425", "d", false, ""}, "a": {"1", "a_j", false, ""},
	"mo_s": {"29.53059", "d", false, ""}, "mo_j": {"1", "a_j/12", false, ""}, "mo_g": {"1", "a_g/12", false, ""}, "mo": {"1", "mo_j", false, ""},

	// outside SI
	"l": {"1", "dm3", true, ""}, "L": {"1", "l", true, ""}, "ar": {"100", "m2", true, ""}, "st": {"1", "m3", true, ""},
	"t": {"1e3", "kg", true, ""}, "u": {"1.66053906660e-24", "g", true, ""}, "bar": {"1e5", "Pa", true, ""},
	"eV": {"1.602176634e-19", "J", true, ""}, "[g]": {"9.80665", "m/s2", true, ""}, "gf": {"1", "g.[g]", true, ""},
	"att": {"1", "kgf/cm2", false, ""}, "atm": {"101325", "Pa", false, ""}, "Ao": {"0.1", "nm", false, ""}, "b": {"100", "fm2", false, ""},
	"mho": {"1", "S", true, ""}, "bit": {"1", "1", true, ""}, "By": {"8", "bit", true, ""}, "Bd": {"1", "s-1", true, ""},

	// centimetre, gram, second; radiation
	"Ky": {"1", "cm-1", true, ""}, "Gal": {"1", "cm/s2", true, ""}, "dyn": {"1", "g.cm/s2", true, ""}, "erg": {"1", "dyn.cm", true, ""},
	"P": {"1", "dyn.s/cm2", true, ""}, "St": {"1", "cm2/s", true, ""}, "Bi": {"10", "A", true, ""}, "Mx": {"1e-8", "Wb", true, ""},
	"G": {"1e-4", "T", true, ""}, "ph": {"1e-4", "lx", true, ""}, "sb": {"1", "cd/cm2", true, ""},
	"Ci": {"3.7e10", "Bq", true, ""}, "R": {"2.58e-4", "C/kg", true, ""}, "RAD": {"100", "erg/g", true, ""}, "REM": {"1", "RAD", true, ""},

	// energy
	"cal": {"4.184", "J", true, ""}, "cal_th": {"4.184", "J", true, ""}, "cal_IT": {"4.1868", "J", true, ""}, "cal_m": {"4.19002", "J", true, ""},
	"cal_[15]": {"4.18580", "J", true, ""}, "cal_[20]": {"4.18190", "J", true, ""}, "[Cal]": {"1", "kcal_th", false, ""},

	// lengths, areas and volumes of custom
	"[in_i]": {"2.54", "cm", false, ""}, "[ft_i]": {"12", "[in_i]", false, ""}, "[yd_i]": {"3", "[ft_i]", false, ""}, "[mi_i]": {"5280", "[ft_i]", false, ""},
	"[fth_i]": {"6", "[ft_i]", false, ""}, "[nmi_i]": {"1852", "m", false, ""}, "[kn_i]": {"1", "[nmi_i]/h", false, ""}, "[mil_i]": {"1e-3", "[in_i]", false, ""},
	"[hd_i]": {"4", "[in_i]", false, ""}, "[sin_i]": {"1", "[in_i]2", false, ""}, "[sft_i]": {"1", "[ft_i]2", false, ""}, "[syd_i]": {"1", "[yd_i]2", false, ""},
	"[cin_i]": {"1", "[in_i]3", false, ""}, "[cft_i]": {"1", "[ft_i]3", false, ""}, "[cyd_i]": {"1", "[yd_i]3", false, ""},
	"[gal_br]": {"4.54609", "l", false, ""}, "[qt_br]": {"1", "[gal_br]/4", false, ""}, "[pt_br]": {"1", "[qt_br]/2", false, ""}, "[gil_br]": {"1", "[pt_br]/4", false, ""},
	"[foz_br]": {"1", "[gil_br]/5", false, ""}, "[fdr_br]": {"1", "[foz_br]/8", false, ""}, "[min_br]": {"1", "[fdr_br]/60", false, ""},
	"[gal_us]": {"231", "[in_i]3", false, ""}, "[qt_us]": {"1", "[gal_us]/4", false, ""}, "[pt_us]": {"1", "[qt_us]/2", false, ""}, "[gil_us]": {"1", "[pt_us]/4", false, ""},
	"[foz_us]": {"1", "[gil_us]/4", false, ""}, "[fdr_us]": {"1", "[foz_us]/8", false, ""}, "[min_us]": {"1", "[fdr_us]/60", false, ""},
	"[tbs_us]": {"1", "[foz_us]/2", false, ""}, "[tsp_us]": {"1", "[tbs_us]/3", false, ""}, "[cup_us]": {"16", "[tbs_us]", false, ""},
	"[cup_m]": {"240", "ml", false, ""}, "[foz_m]": {"30", "ml", false, ""}, "[tbs_m]": {"15", "ml", false, ""}, "[tsp_m]": {"5", "ml", false, ""},

	// weights of custom
	"[gr]": {"64.79891", "mg", false, ""}, "[lb_av]": {"7000", "[gr]", false, ""}, "[oz_av]": {"1", "[lb_av]/16", false, ""}, "[dr_av]": {"1", "[oz_av]/16", false, ""},
	"[scwt_av]": {"100", "[lb_av]", false, ""}, "[lcwt_av]": {"112", "[lb_av]", false, ""}, "[ston_av]": {"20", "[scwt_av]", false, ""},
	"[lton_av]": {"20", "[lcwt_av]", false, ""}, "[stone_av]": {"14", "[lb_av]", false, ""}, "[lbf_av]": {"1", "[lb_av].[g]", false, ""},
	"[pwt_tr]": {"24", "[gr]", false, ""}, "[oz_tr]": {"20", "[pwt_tr]", false, ""}, "[lb_tr]": {"12", "[oz_tr]", false, ""},
	"[sc_ap]": {"20", "[gr]", false, ""}, "[dr_ap]": {"3", "[sc_ap]", false, ""}, "[oz_ap]": {"8", "[dr_ap]", false, ""}, "[lb_ap]": {"12", "[oz_ap]", false, ""},
	"[oz_m]": {"28", "g", false, ""}, "[car_m]": {"0.2", "g", false, ""}, "[psi]": {"1", "[lbf_av]/[in_i]2", false, ""},

	// clinical and laboratory
	"m[H2O]": {"9.80665", "kPa", true, ""}, "m[Hg]": {"133.3220", "kPa", true, ""},
	"[in_i'H2O]": {"1", "m[H2O].[in_i]/m", false, ""}, "[in_i'Hg]": {"1", "m[Hg].[in_i]/m", false, ""},
	"[PRU]": {"1", "mm[Hg].s/ml", false, ""}, "[wood'U]": {"1", "mm[Hg].min/L", false, ""}, "[diop]": {"1", "/m", false, ""},
	"[mesh_i]": {"1", "/[in_i]", false, ""}, "[Ch]": {"1", "mm/3", false, ""}, "[drp]": {"1", "ml/20", false, ""}, "[MET]": {"3.5", "mL/min/kg", false, ""},
	"eq": {"1", "mol", true, ""}, "osm": {"1", "mol", true, ""}, "g%": {"1", "g/dl", true, ""}, "[S]": {"1e-13", "s", false, ""}, "U": {"1", "umol/min", true, ""},

	// arbitrary units: each compares with itself
	"[iU]": {metric: true}, "[IU]": {"1", "[iU]", true, ""},
	"[arb'U]": {}, "[USP'U]": {}, "[GPL'U]": {}, "[MPL'U]": {}, "[APL'U]": {}, "[beth'U]": {}, "[anti'Xa'U]": {}, "[todd'U]": {}, "[dye'U]": {},
	"[smgy'U]": {}, "[bdsk'U]": {}, "[ka'U]": {}, "[knk'U]": {}, "[mclg'U]": {}, "[tb'U]": {}, "[CCID_50]": {}, "[TCID_50]": {}, "[EID_50]": {},
	"[PFU]": {}, "[FFU]": {}, "[CFU]": {}, "[IR]": {}, "[BAU]": {}, "[AU]": {}, "[Amb'a'1'U]": {}, "[PNU]": {}, "[Lf]": {}, "[D'ag'U]": {},
	"[FEU]": {}, "[ELU]": {}, "[EU]": {}, "[hnsf'U]": {}, "[Vamp]": {},

	// logarithms and tangents: no rational factor leads to another unit
	"[pH]": {}, "Np": {metric: true}, "B": {metric: true}, "B[SPL]": {metric: true}, "B[V]": {metric: true}, "B[mV]": {metric: true},
	"B[uV]": {metric: true}, "B[10.nV]": {metric: true}, "B[W]": {metric: true}, "B[kW]": {metric: true}, "bit_s": {}, "[p'diop]": {}, "%[slope]": {},
}
