"""Pickles of one small DataFrame in the columns of RouterBench's table, made by older pandas.

Each is what `pickle.dumps(frame, protocol)` gave there, compressed and in base 85. The frame:

    sample_id prompt                      eval_name small small|total_cost big|total_cost big  ...
    a.1       "['Be brief.', '1 + 1?']"   math      1.0   .0001            .001           1.0
    a.2       "['2 + 2?']"                math      .25   .0002            .003           .5

with small and big of dtype object, and oracle_model_to_route_to last ("small", "big").
"""

import base64
import zlib

_ENCODED = {
    "pandas 1.0.5, protocol 4": (
        "c-nPTOKTKC5Z=e^=Alsoh9n|kJ?L&84%r~$K^aKIs6#fAYmlL5wzEBEUi9>+fkgC>XrON?e}w<RA0hq%@#;m"
        "dB4~BbY}n}9hpy`Cs;;W9s`|C@J}^pp$;pI7U6Pt!%&ED<Nk~DC-6w)P(EJI^zkvg2$(qweA;`HweLoVEM<h"
        "tikVK?Mc?$CUY7l$78~Hi6Z#~5aX3iRR=}VfLE=kefxD(MA&Lbs519nc<`n>XN<c_DJEKK%t^Dqm9PdF!g=+"
        "EKQi=$NV%oAuLYg!TH2)ffMCt#NjVXf@KTiAk@UA9LLflbL;SL`J!MOoRr1IO?3+o~+@L#NYu{2Q0vY)gQ9t"
        "a2DjNtguG@w*`F36H}>AX@Y}37kkHS4%?@1RyVIx-VjZS6-Z=+6C9|oe@+~0CFbg#KR}UxJv^^#14-$L6HH9"
        "UZtVm?PNz78=H``!$9OD>M0br6dgd0nH>yB5H1h^X`~`fz^*8UB2(6HQcR0oX448GHrvOiVpooU&B@Bn8C>r"
        "Eg-c1{vevk{cJ<rW+gGfdE?B=l{P?`#KCynjdiGJAFbh!aUmtbt<C?~`O3XH>eFfz7c5{_BT<+5yv$@o0wi}"
        "C$w$*%!32rx6@UWr}Mo0t$wz+P7&pUbD`qXDmC0}xewb-IUQztvYE-Gv$hh%+N#KY#<g3?C-3*i52Q$Mx2&T"
        "g=#^2C+~ZRr8F%CgzMg&FE@CRj3H<Ff9mIY|L+mAsBkl&PD0ay0C52QP7$M%~QER*zEET7mDWZnX`>uB-ycR"
        "8YI@Aq$2Fh6VHo3dmN6m2bIJta3ps1+5meUeJ+(s&ZyDOLcoXI6^oAYDD{=hZ9mk^vq(JYD5V96%HVC%|BWl"
        "q2&"
    ),
    "pandas 1.5.3, protocol 2": (
        "c-nPTTbI;C5YEi*4s29Jynu*00x|;&VP{ob6%8(z1>z3a-l90RolMUplG~Sb#65@c=)=ykulNsq^Z4Yeho_x"
        "Cz)$ce@DH@p$%tI+hpy_X>gxLH(m&PRghhRp8E%|%W010t>*ttY7ZeBW=+CH)P;c9_nx@fkm}2IE8-65s8nG"
        "ZVLKd+hPcwZbh~4XJ<w?iv)SL#slij!1X&xoMdp+RPDK6-kbE7;=)=R%(9tfYMDO=ZR%H251M4G!oN29dTrB"
        "9{B4olm>PM5lIpSzjPqk_>fZ`WkR4s^RAX~2XZb@0R(PZB(}iCqLwx2>90x9Vf;u3YxTdLnN=W7p-4!7}!2-"
        "P**n1kbgt8RhLXp6_<Mm;aVaZI&kRg0tn#+Y3^A;_QLR?~`9o?Kh{~F>`Wf`?tv-liO>~Rde#^kKb+I5!=6b"
        "CiZ$Vlzjv*3hZ}WN}b%7cq2;nEbv_!#7ow!)v#)tI6&~SRo}!b1h0B?Uc*y(o1O&m8o|K=M56$4$SdQ%vW&w"
        ";+^-WHnZ|t+tq0>a1=`M54@cYfjMOuugJTu9gav!A<gT?=c+*LJJ}_Fxo2^cBq1iE8Jsh`nrCpMOr9yB*wMN"
        "K<2g5T~&3l?!tLEJ)^RMKulCkIHmW3<`a8kYM_(LpmfsQl9w^ZPJgWyetZv$^t==^1zD$u=6uq@GekJjTIRg"
        "XpO{;E~9UeTF~HY&QKqIkC`%6kN-1>SdxoPR)Ij&Y`k58DqleV_lpGs9sS*J;FW&`X6x$IAbkRTgJQI9Co+U"
        "rrg$PXS*j0Iw2UECBD^z$Nd9tk31PJzwOCg^8RKzYj}wbCSkkBJhz?^6yzdBRQ>D^G@2kr>VUuVj&f7oC$R8"
        "U1gU4E4<<@+WVw9PMIs6hjMBHDq@<(x!{t)Raudb9Tlr`PrCUSpAdZNJsxJtq9NBwu~%R}8{zY|N4jOf1xp3"
        "Kur%c{6LA9Ds#gb|;7h9}{eMMpjgRp)L9hIB<V@ll1+++*`k+A7nTA|2mBnv+VCoGfM4G`F!Bu&pgMbY)^he"
        ";Tr)65=8yW5Ai5xN}Q3lN6L59JtEO(550J{N@O#"
    ),
    "pandas 2.2.3, protocol 4": (
        "c-n1KT~8D-6y05Bmk$j{jDm)keOnZnxFn(vCX;}X;DpuiC?QQ}rn@sTUuioc2^f6<A?X{}AK`!SM;L#B@zoc"
        "7H70u7oz+F@L+@?p_Rcw{r?0Jd6IR6xHJ#Hmpu+Yu&g?Fy2?I6$kV^W<<fm}+4IIF{vPjb7pl%G8N2z2yrLn"
        "LRn$jNQ0@THoIP-Tl`fEI{u9hcA9C_mJ5l~a4Nb|_wi5c<q8C`rOEs}h%-#sZ}8BxyZ9(E<1`B^F?FMO#B>!"
        "uLYDE2lbr{Go&VYTYPTiAqox9Zm1+7X0PsvgL_Tr*L%?tM5p?tdRq)d$e&bRPf0VJ5dC!8=)PF0Rgf{jz-B>"
        "Bn2n&-dRyZFo<eAFrN&kf)&oSf<9jB0_j6@~DeA@^ydLavN?{w|8rL4ljh0;k1SoULJsI7*MmS_T&td{ePf1"
        "8p<}xK0@s_=y?g$%vNiKH9a1&uHCxbY_*#U&9>9p1~swOTEfMWSy%~`A%u6=oNxU*UUNPUl0Q42%j>U;gvK%"
        "c!Hasp@UQ1UJ~V)%A;96>dCJ|Xl%rb4S{X;m*eK&@8MTsqsg6LCojq%=fW2hG_NYKhPLP!Cl6Ad@N{4HzKFE"
        "zZ12ioB4}A<5i$=$BL6aPv76qUhInR<@qR-h28k1D}JX}_nj1>Dalep<;0t+TlmEn!>o|?@#^|4Ws1uP~qBR"
        "nf4!^EhkEYq!19O?UCSJ%#C#A({ols0u7q7gpp;C)ESC3;y|LS{KSNhb`Gs_Dt}gpUy|jrcX~!J8!slho*d9"
        ";j0(@iiVGS<;PZ&!jU*FWVI)C~|ZxMbt6%7(T^gQF!)m-Y0}D"
    ),
}

OLD_PICKLES = {name: zlib.decompress(base64.b85decode(text)) for name, text in _ENCODED.items()}
